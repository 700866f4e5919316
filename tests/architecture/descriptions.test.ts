import { resolveSite } from '@millwright/protocol';
import { describe, expect, it } from 'vitest';
import { readRepo } from './repo.ts';

const repo = readRepo();
const files = repo.paths
  .filter((path) => path.startsWith('device-drivers/types/') && path.endsWith('.yaml'))
  .map((path) => ({ name: path, text: repo.text(path) }));

describe('the device types that come with Millwright', () => {
  it('are read without a problem, together', () => {
    expect(resolveSite({ site: { name: 'site.yaml', text: '[]' }, types: files })).toEqual([]);
  });

  it.each(files)('$name is called like the type in it', ({ name, text }) => {
    const type = /^type: ([a-z0-9-]+)@\d+$/m.exec(text)?.[1];
    expect(name).toBe(`device-drivers/types/${type}.yaml`);
  });
});

describe('a site that we show to others', () => {
  const sites = repo.paths.filter((path) => /^docs\/examples\/.*\/site\.yaml$/.test(path));

  it.each(sites)('%s is read without a problem', (path) => {
    const site = { name: path, text: repo.text(path) };
    expect(resolveSite({ site, types: files }).length).toBeGreaterThan(0);
  });

  const blocksOf = (path: string) =>
    [...repo.text(path).matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => ({ name: path, text }));
  const shown = repo.paths
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) =>
      blocksOf(path).filter(({ text }) => /^- id: /m.test(text) && /^ {2}(driver|type): /m.test(text)),
    );

  it.each(shown)('in $name is read without a problem', (site) => {
    // A page may show the type that its devices have.
    const types = blocksOf(site.name).filter(({ text }) => /^type: /m.test(text) && /^points:/m.test(text));
    expect(resolveSite({ site, types: [...files, ...types] }).length).toBeGreaterThan(0);
  });

  it('is in the first page anybody reads', () => {
    expect(shown.map(({ name }) => name)).toContain('README.md');
  });
});
