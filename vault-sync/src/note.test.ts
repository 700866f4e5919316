import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { fileName, plain } from './markdown.ts';
import { createNote, type NoteSpec, noteId, patchNote } from './note.ts';

const spec: NoteSpec = {
  id: 'dev_hall-3.ahu-12',
  path: 'Devices/AHU-12.md',
  owned: { type: 'device', site: '[[Hall 3]]', status: 'online', last_seen: '2026-11-22T14:05' },
  initial: { owner_note: '', tags: ['millwright/device'] },
  blocks: { state: '| Point | Value |\n| --- | --- |\n| temp | 21 Cel |' },
};
const later: NoteSpec = {
  ...spec,
  owned: { ...spec.owned, status: 'offline' },
  blocks: { state: '| Point | Value |\n| --- | --- |\n| temp | 22 Cel |' },
};

describe('createNote', () => {
  it('writes front matter that a YAML reader understands, with links and strings quoted', () => {
    const front = createNote(spec).split('---\n')[1] ?? '';
    expect(parse(front)).toEqual({
      ...spec.owned,
      millwright_id: spec.id,
      owner_note: '',
      tags: ['millwright/device'],
    });
    expect(front).toContain('site: "[[Hall 3]]"');
  });

  it('is found again by its id, whatever the line endings', () => {
    expect(noteId(createNote(spec))).toBe(spec.id);
    expect(noteId(createNote(spec).replaceAll('\n', '\r\n'))).toBe(spec.id);
  });
});

describe('patchNote', () => {
  it('changes nothing when nothing changed', () => {
    expect(patchNote(createNote(spec), spec)).toEqual({ text: createNote(spec), edited: [] });
  });

  it('brings owned keys and blocks up to date', () => {
    expect(patchNote(createNote(spec), later).text).toBe(createNote(later));
  });

  it('keeps every byte that people wrote, before, between and after ours', () => {
    const human = fc.string({ unit: 'grapheme' }).filter((text) => !/millwright|---/.test(text));
    fc.assert(
      fc.property(human, human, fc.boolean(), (above, below, crlf) => {
        const endings = (text: string) =>
          crlf ? text.replaceAll(/\r?\n/g, '\r\n') : text.replaceAll('\r\n', '\n');
        const around = (note: string) =>
          endings(
            note
              .replace('owner_note: ""', 'owner_note: "call Ann # soon" # my comment\nmine: 0123')
              .replace('\n\n<!--', `\n${above}\n<!--`) + below,
          );
        expect(patchNote(around(createNote(spec)), later)).toEqual({
          text: around(createNote(later)),
          edited: [],
        });
      }),
      { numRuns: 300 },
    );
  });

  it('leaves a block alone that somebody wrote inside, and says which', () => {
    const text = createNote(spec).replace('21 Cel', '21 Cel, too cold!');
    const patched = patchNote(text, later);
    expect(patched.edited).toEqual(['state']);
    expect(patched.text).toContain('too cold!');
    expect(patched.text).toContain('status: "offline"');
  });

  it('does not bring back a block that was removed', () => {
    const text = createNote(spec).replace(/<!-- millwright:begin[\s\S]*-->/, '');
    expect(patchNote(text, later).text).not.toContain('millwright:begin');
  });

  it('replaces an owned key that was written as a list, and adds one that was removed', () => {
    const text = createNote(spec)
      .replace('status: "online"', 'status:\n  - online\n  - late')
      .replace(/^type:.*\n/m, '');
    const front = patchNote(text, later).text.split('---\n')[1] ?? '';
    expect(parse(front)).toMatchObject({ status: 'offline', type: 'device', site: '[[Hall 3]]' });
  });
});

describe('plain', () => {
  it.each([
    ['[[Company_Handbook]]', '\\[\\[Company\\_Handbook\\]\\]'],
    ['<script>x</script>', '&lt;script&gt;x&lt;/script&gt;'],
    ['a | b\n# c', 'a \\| b \\# c'],
    ['![[x]] `= dv.pages()`', '\\!\\[\\[x\\]\\] \\`\\= dv.pages\\(\\)\\`'],
  ])('makes %j harmless', (text, safe) => {
    expect(plain(text)).toBe(safe);
  });
});

describe('fileName', () => {
  it.each([
    ['../../etc/passwd', 'etc passwd'],
    ['Hall [3] | "east"', 'Hall 3 east'],
    ['...', 'unnamed'],
  ])('turns %j into %j', (text, name) => {
    expect(fileName(text)).toBe(name);
  });
});
