import { describe, expect, it } from 'vitest';
import { aSite, named } from './derive.fixture.ts';
import { deviceSheet } from './device-sheet.ts';

const site = await aSite();

describe('the sheet of a device', () => {
  it('says what a technician needs in front of it', () => {
    expect(deviceSheet(named(site, 'valve'))).toBe(
      [
        '# valve',
        '',
        '- Id: `valve`',
        '- Protocol: modbus',
        '- Where: tcp `10.0.4.9:502`, unit `1`, timeout `1000`',
        '',
        '## Points (5)',
        '',
        '| Point | Name | Address | Value | Unit |',
        '| --- | --- | --- | --- | --- |',
        '| `state` | State | holding 0, uint16, bit 0–2 | 0 = closed<br>1 = moving<br>2 = open | – |',
        '| `level` | Level | holding 1, int32, CDAB | number, in steps of 0.01 | m |',
        '| `mode` | Mode | coil 0, bool | true or false | – |',
        '| `tag` | Tag | holding 10, text | text | – |',
        '| `half` | Half | holding 20, float16 | number | – |',
        '',
        '## What may be written (1)',
        '',
        '| Point | Range | Who | Risk | Only when |',
        '| --- | --- | --- | --- | --- |',
        '| `mode` | any | engineer | medium | `state == 0 \\|\\| level < 1.0` |',
        '',
        '## Alarms (1)',
        '',
        '| Point | Alarm | Raised | After | Priority |',
        '| --- | --- | --- | --- | --- |',
        '| `level` | high | above 4 m | 5 s | medium |',
      ].join('\n'),
    );
  });

  it.each([...site.keys()])('has a line for every point, and no name breaks a table: %s', (id) => {
    const spec = named(site, id);
    const lines = deviceSheet(spec).split('\n');
    const from = lines.findIndex((line) => line.startsWith('## Points'));
    const rows = lines.slice(from + 4, from + 4 + Object.keys(spec.points).length);
    for (const row of rows) expect(row.split(/(?<!\\)\|/)).toHaveLength(7);
    expect(lines[0]).toMatch(/^# /);
  });

  it('takes names for text', () => {
    const spec = named(site, 'meter-7');
    expect(deviceSheet({ ...spec, name: '# <b>[x](y)\n| z' }).split('\n')[0]).toBe(
      '# \\# \\<b\\>\\[x\\](y) \\| z',
    );
  });
});
