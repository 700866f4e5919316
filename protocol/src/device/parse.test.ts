import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { InvalidInputError } from '../errors.ts';
import { DurationMs } from './duration.ts';
import { parseYamlDocument } from './parse.ts';

const Server = z.strictObject({
  name: z.string().min(1).max(8),
  port: z.int().min(1).max(65535).default(80),
  mode: z.enum(['normal', 'careful']).default('normal'),
  every: DurationMs.optional(),
  tags: z.array(z.string()).max(3).default([]),
  limits: z.record(z.string().regex(/^[a-z]+$/, 'must be lower case'), z.number()).default({}),
  range: z.tuple([z.number(), z.number()]).optional(),
  store: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('memory') }),
      z.strictObject({ kind: z.literal('file'), path: z.string().startsWith('/') }),
    ])
    .optional(),
  address: z.union([z.literal('any'), z.string().regex(/^\d+\.\d+$/, 'must be "any" or "1.2"')]).optional(),
});
const parse = (text: string, variables?: Record<string, string | undefined>) =>
  parseYamlDocument({ name: 'a.yaml', text }, Server, variables === undefined ? {} : { variables });

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof InvalidInputError) return error.message;
    throw error;
  }
  return 'nothing was thrown';
}

describe('a configuration file', () => {
  it('is read with its defaults', () => {
    expect(parse('name: hall\nevery: 5s\nrange: [1, 2]')).toEqual({
      name: 'hall',
      port: 80,
      mode: 'normal',
      every: 5000,
      tags: [],
      limits: {},
      range: [1, 2],
    });
  });

  it('may use anchors and aliases', () => {
    expect(parse('name: hall\ntags: [&a one, *a]').tags).toEqual(['one', 'one']);
  });

  it('is refused with code CONFIG_INVALID and no retry', () => {
    expect(() => parse('')).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', retry: 'never' }));
  });

  it.each<[why: string, text: string, message: string]>([
    ['empty', '', 'a.yaml:1:1: is empty'],
    ['only comments', '# nothing\n', 'a.yaml:1:1: is empty'],
    ['a list where a map belongs', '- 1', 'a.yaml:1:1: must be a map of "key: value"; got a list'],
    ['two documents', 'name: a\n---\nname: b', 'a.yaml:3:1: a second document is not allowed here'],
    [
      'a missing key',
      'port: 1',
      'a.yaml:1:1: name: is missing; it must be text (in quotes when it looks like a number)',
    ],
    ['a misspelt key', 'name: a\nprot: 1', 'a.yaml:2:1: prot: unknown key; did you mean "port"?'],
    [
      'a key that resembles nothing',
      'name: a\nzzzzzz: 1',
      'a.yaml:2:1: zzzzzz: unknown key; known are name, port, mode, every, tags, limits, range, store, address',
    ],
    [
      'a number where text belongs',
      'name: 5',
      'a.yaml:1:7: name: must be text (in quotes when it looks like a number); got 5',
    ],
    ['text where a number belongs', 'name: a\nport: http', 'a.yaml:2:7: port: must be a number; got "http"'],
    [
      'a fraction where a whole number belongs',
      'name: a\nport: 1.5',
      'a.yaml:2:7: port: must be a whole number; got 1.5',
    ],
    ['too large a number', 'name: a\nport: 70000', 'a.yaml:2:7: port: must be at most 65535; got 70000'],
    ['too small a number', 'name: a\nport: 0', 'a.yaml:2:7: port: must be at least 1; got 0'],
    [
      'too long a text',
      'name: abcdefghi',
      'a.yaml:1:7: name: must have at most 8 characters; got "abcdefghi"',
    ],
    ['an empty text', 'name: ""', 'a.yaml:1:7: name: must have at least 1 characters; got ""'],
    [
      'too long a list',
      'name: a\ntags: [a, b, c, d]',
      'a.yaml:2:7: tags: must have at most 3 entries; got a list',
    ],
    ['half a range', 'name: a\nrange: [1]', 'a.yaml:2:8: range: must have at least 2 entries; got a list'],
    [
      'a wrong entry',
      'name: a\ntags:\n  - a\n  - true',
      'a.yaml:4:5: tags[1]: must be text (in quotes when it looks like a number); got true',
    ],
    [
      'a misspelt choice',
      'name: a\nmode: carefull',
      'a.yaml:2:7: mode: must be one of "normal", "careful"; got "carefull"; did you mean "careful"?',
    ],
    [
      'a wrong duration',
      'name: a\nevery: 5 seconds',
      'a.yaml:2:8: every: "5 seconds" is not a duration; write it like "500ms", "5s", "10m" or "2h"',
    ],
    [
      'a wrong name in a map',
      'name: a\nlimits: { UP: 1 }',
      'a.yaml:2:11: limits.UP: the name must be lower case',
    ],
    [
      'an unknown variant',
      'name: a\nstore: { kind: flie }',
      'a.yaml:2:16: store.kind: must be one of "memory", "file"; got "flie"; did you mean "file"?',
    ],
    [
      'a variant without its tag',
      'name: a\nstore: { path: /x }',
      'a.yaml:2:8: store.kind: is missing; it must be one of "memory", "file"',
    ],
    [
      'a misspelt key of a variant',
      'name: a\nstore: { kind: file, paht: /x }',
      'a.yaml:2:8: store.path: is missing; it must be text (in quotes when it looks like a number)\na.yaml:2:22: store.paht: unknown key; did you mean "path"?',
    ],
    [
      'a key of another variant',
      'name: a\nstore: { kind: memory, path: /x }',
      'a.yaml:2:24: store.path: unknown key; known are kind',
    ],
    [
      'a wrong beginning',
      'name: a\nstore: { kind: file, path: x }',
      'a.yaml:2:28: store.path: must start with "/"; got "x"',
    ],
    ['no branch of a union', 'name: a\naddress: x', 'a.yaml:2:10: address: must be "any" or "1.2"; got "x"'],
    [
      'no type of a union',
      'name: a\naddress: []',
      'a.yaml:2:10: address: must be "any", or must be text (in quotes when it looks like a number); got a list',
    ],
    [
      'an empty value',
      'name:\nport: 1',
      'a.yaml:1:6: name: must be text (in quotes when it looks like a number); got nothing',
    ],
    ['a duplicate key', 'name: a\nport: 1\nname: b', 'a.yaml:3:1: name: is given twice; first on line 1'],
    [
      'a key that would change every object',
      '__proto__: {}',
      'a.yaml:1:1: the key "__proto__" is not allowed',
    ],
    ['a map as a key', '? { a: 1 }\n: 2', 'a.yaml:1:3: With stringKeys, all keys must be strings'],
    [
      'an open bracket',
      'name: a\ntags: [a',
      'a.yaml:2:9: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    ['a tab as indent', 'store:\n\tkind: file', 'a.yaml:2:1: Tabs are not allowed as indentation'],
    ['an unknown tag', 'name: !secret a', 'a.yaml:1:7: Unresolved tag: !secret'],
    ['an alias of nothing', 'name: *a', 'a.yaml:1:7: name: no anchor "&a" comes before it'],
    [
      'an alias inside itself',
      'name: a\ntags: &a [*a]',
      'a.yaml:2:11: tags[0]: "*a" would contain itself for ever',
    ],
    ['brackets without end', '['.repeat(20_000), 'is nested too deeply to be read'],
    [
      'too many levels',
      `name: ${'['.repeat(70)}${']'.repeat(70)}`,
      'a.yaml:1:71: name[0][0]: is nested deeper than 64 levels',
    ],
  ])('with %s is refused: where and why', (_why, text, message) => {
    const actual = messageOf(() => parse(text));
    if (message.startsWith('a.yaml')) expect(actual).toBe(message);
    else expect(actual).toContain(message);
  });

  it('is told all its problems at once, in the order of the file', () => {
    const text = 'mode: odd\nport: 0\nextra: 1\n';
    expect(
      messageOf(() => parse(text))
        .split('\n')
        .map((line) => line.slice(0, 14)),
    ).toEqual(['a.yaml:1:1: na', 'a.yaml:1:7: mo', 'a.yaml:2:7: po', 'a.yaml:3:1: ex']);
  });

  it('is told at most fifty problems', () => {
    const text = `name: a\n${Array.from({ length: 60 }, (_, n) => `zzzzzzzz${n}: 1`).join('\n')}`;
    const lines = messageOf(() => parse(text)).split('\n');
    expect(lines).toHaveLength(51);
    expect(lines.at(-1)).toBe('… and 10 more problems');
  });

  it('may have 4 MiB and not a byte more', () => {
    const head = 'name: a\n#';
    expect(parse(head + 'x'.repeat(4 * 1024 * 1024 - head.length)).name).toBe('a');
    expect(messageOf(() => parse(`${head}${'é'.repeat(2_400_000)}`))).toBe(
      'a.yaml:1:1: is larger than 4194304 bytes',
    );
  });

  it('may not unfold into millions of values', () => {
    const rows = Array.from(
      { length: 8 },
      (_, n) =>
        `l${n}: &l${n} [${Array(9)
          .fill(n === 0 ? '1' : `*l${n - 1}`)
          .join(', ')}]`,
    );
    expect(messageOf(() => parse(rows.join('\n')))).toMatch(
      /^a\.yaml:7:\d+: l6\[\d\]: the file unfolds to more than 1000000 values/,
    );
  });
});

describe('a variable', () => {
  it('gives a plain scalar its YAML type and leaves a quoted one text', () => {
    expect(parse('name: "${P}"\nport: ${P}', { P: '443' })).toMatchObject({ name: '443', port: 443 });
  });

  it('takes its default when it is unset or empty', () => {
    expect(parse('name: n${A:-x}${B:-y}\nport: ${P:-8080}', { B: '' })).toMatchObject({
      name: 'nxy',
      port: 8080,
    });
  });

  it('may be part of a text, more than once', () => {
    expect(parse('name: ${A}-${A}', { A: 'x' }).name).toBe('x-x');
  });

  it('is written with a second dollar to stand for itself', () => {
    expect(parse('name: $${A}').name).toBe('${A}');
  });

  it('cannot bring structure or another variable with it', () => {
    expect(parse('name: ${A}', { A: '[1]' }).name).toBe('[1]');
    expect(parse('name: ${A}', { A: '${B}' }).name).toBe('${B}');
  });

  it('is not looked up in what every object has', () => {
    expect(messageOf(() => parse('name: ${constructor}', {}))).toContain('variable constructor is not set');
  });

  it.each<[why: string, text: string, message: string]>([
    [
      'unset',
      'name: ${NAME}',
      'a.yaml:1:7: name: variable NAME is not set and has no default; set it, or write ${NAME:-default}',
    ],
    [
      'misspelt',
      'name: ${MY NAME}',
      'a.yaml:1:7: name: "${MY NAME}" is not a variable; write ${NAME} or ${NAME:-default}, or $${ for a plain ${',
    ],
    [
      'open',
      'name: ${NAME',
      'a.yaml:1:7: name: "${NAME" is not a variable; write ${NAME} or ${NAME:-default}, or $${ for a plain ${',
    ],
  ])('that is %s is refused', (_why, text, message) => {
    expect(messageOf(() => parse(text))).toContain(message);
  });

  it('inside braces is explained', () => {
    expect(messageOf(() => parse('name: a\nstore: {kind: ${K}}'))).toContain(
      'inside { } or [ ] write a variable in quotes: "${NAME}"',
    );
  });

  it('is never shown by its value, which may be a secret', () => {
    const message = messageOf(() => parse('name: ${TOKEN}', { TOKEN: 'very-secret-token' }));
    expect(message).toBe(
      'a.yaml:1:7: name: must have at most 8 characters; got ${TOKEN} with its variables filled in',
    );
  });
});
