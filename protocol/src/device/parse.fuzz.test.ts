import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '../errors.ts';
import { parseYamlDocument } from './parse.ts';
import { resolveSite } from './resolve-site.ts';
import { DeviceType } from './schema.ts';

const TYPE = `type: acme-em3@1
driver: modbus
scans: { fast: 1s, slow: 60s }
defaults: { table: holding, order: ABCD, base: 1, scan: fast }
merge: { maxGap: 8, maxRegisters: 120, avoid: [[40, 47]] }
points:
  voltage: { at: 1, as: float32, unit: V, report: { deadband: 0.5, heartbeat: 5m } }
  breaker: { table: coil, at: 3, as: bool }
  limit:
    at: 200
    as: uint16
    write: { range: [0, 400], role: operator, confirm: { readback: 2s, tolerance: 1 } }
`;
const SITE = `- id: meter-7
  type: acme-em3@1
  connect: { tcp: "10.0.4.7:502", unit: 7, timeout: 1s }
- &hall
  id: hall-th
  driver: mqtt
  connect: { broker: local, availability: "\${LWT:-hall/lwt}" }
  points:
    temperature: { topic: hall/th/state, pick: $.temp, as: float64, unit: Cel, stale: 10m }
`;

/** Any other error is a fault of ours: it would end a process instead of a sentence for the person. */
function onlyInvalidInput(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toMatch(/^[^\n]+:\d+:\d+: /);
  }
}

/** Cuts, doubles, swaps or overwrites a few places of a valid file. */
function mutated(text: string): fc.Arbitrary<string> {
  const fragments = [
    '{',
    '}',
    '[',
    ']',
    ':',
    '- ',
    '\n',
    '\t',
    '"',
    "'",
    '&a ',
    '*a',
    '*hall',
    '!!set ',
    '|',
    '>',
    '<<: ',
    '? ',
    '---\n',
    '${',
    '0x',
    '~',
    '.nan',
    '1e999',
    '__proto__',
    '\u0000',
    '\uFEFF',
    '%',
  ];
  const edit = fc.record({
    at: fc.nat(text.length),
    remove: fc.nat(12),
    insert: fc.oneof(fc.constantFrom(...fragments), fc.string({ maxLength: 6, unit: 'binary' })),
  });
  return fc
    .array(edit, { minLength: 1, maxLength: 5 })
    .map((edits) =>
      edits.reduce((all, { at, remove, insert }) => all.slice(0, at) + insert + all.slice(at + remove), text),
    );
}

describe('whatever stands in a file', () => {
  it('arbitrary text is refused, never an accident', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        onlyInvalidInput(() => parseYamlDocument({ name: 'x', text }, DeviceType));
        onlyInvalidInput(() => resolveSite({ site: { name: 'x', text }, types: [{ name: 'y', text }] }));
      }),
      { numRuns: 1000 },
    );
  });

  it('a damaged type is read or refused', () => {
    fc.assert(
      fc.property(mutated(TYPE), (text) => {
        onlyInvalidInput(() =>
          resolveSite({ site: { name: 'site', text: SITE }, types: [{ name: 'type', text }] }),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it('a damaged site is read or refused', () => {
    fc.assert(
      fc.property(mutated(SITE), (text) => {
        onlyInvalidInput(() =>
          resolveSite({ site: { name: 'site', text }, types: [{ name: 'type', text: TYPE }] }),
        );
      }),
      { numRuns: 1000 },
    );
  });
});
