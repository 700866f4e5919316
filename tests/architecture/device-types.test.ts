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
