import { describe, expect, it } from 'vitest';
import { manifestOf, roomsOf } from './imports.ts';
import { brokenLinks, namesIn, tableUnder } from './pages.ts';
import { memoryRepo, readRepo } from './repo.ts';
import { ARROWS, roomOfPackage } from './rooms.ts';

const repo = readRepo();
const pages = repo.paths.filter((path) => path.endsWith('.md'));

describe('the architecture page', () => {
  const rows = tableUnder(repo.text('docs/architecture.md'), 'Rooms and arrows');
  const drawn = new Map(
    rows.map(([room = '', , arrows = '']) => [
      namesIn(room)[0] ?? room,
      arrows === 'everything' ? 'everything' : namesIn(arrows),
    ]),
  );

  it('names every room, and no other', () => {
    expect([...drawn.keys()].toSorted()).toEqual(roomsOf(repo).toSorted());
  });

  it.each(Object.entries(ARROWS))('draws the arrows of %s as they are enforced', (room, arrows) => {
    expect(drawn.get(room)).toEqual(arrows);
  });

  it('draws every arrow a package declares', () => {
    for (const room of Object.keys(ARROWS)) {
      const { dependencies, devDependencies } = manifestOf(repo, room);
      const used = Object.keys({ ...dependencies, ...devDependencies }).flatMap(
        (name) => roomOfPackage(name) ?? [],
      );
      expect(drawn.get(room), room).toEqual(expect.arrayContaining(used));
    }
  });
});

describe('the pages', () => {
  it.each(pages)('%s has only links that lead somewhere', (page) => {
    expect(brokenLinks(repo, page)).toEqual([]);
  });

  it.each(roomsOf(repo))('there is one about %s', (room) => {
    expect(repo.paths).toContain(`${room}/README.md`);
  });

  it('of decisions are numbered without a hole and have the five parts', () => {
    const decisions = repo.paths.filter((path) => /^docs\/adr\/\d{4}-/.test(path)).toSorted();
    for (const [index, path] of decisions.entries()) {
      const number = String(index + 1).padStart(4, '0');
      expect(path).toContain(`docs/adr/${number}-`);
      const headings = repo.text(path).match(/^#+ .*$/gm);
      expect(headings?.[0]).toMatch(new RegExp(`^# ${index + 1}\\. `));
      expect(headings?.slice(1)).toEqual(['## Status', '## Context', '## Decision', '## Consequences']);
    }
    expect(decisions.length).toBeGreaterThanOrEqual(5);
  });
});

describe('a page that is wrong', () => {
  it('is found by its broken link, and code is not taken for one', () => {
    const files = {
      'docs/a.md':
        '[b](b.md) [c](../c/) [gone](gone.md#x) [out](https://x.y) `[no](no.md)`\n```\n[no](no.md)\n```',
      'docs/b.md': '',
      'c/d.ts': '',
    };
    expect(brokenLinks(memoryRepo(files), 'docs/a.md')).toEqual([
      'docs/a.md links to gone.md#x, which is not there',
    ]);
  });

  it('is read row by row', () => {
    const page =
      '# A\n\n## Rooms and arrows\n\ntext\n\n| a | b |\n|---|---|\n| `x/` | y \\| z |\n\n| no | no |\n|---|---|\n| n | n |\n';
    expect(tableUnder(page, 'Rooms and arrows')).toEqual([['`x/`', 'y \\| z']]);
    expect(namesIn('`protocol/`, `gateway`')).toEqual(['protocol', 'gateway']);
  });
});
