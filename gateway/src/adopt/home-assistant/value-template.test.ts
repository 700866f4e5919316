import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTemplate } from './value-template.ts';

describe('a value template', () => {
  it.each([
    ['{{ value }}', {}],
    ['{{value|float}}', {}],
    ['{{ value_json.temperature }}', { pick: "$['temperature']" }],
    ['{{value_json["battery"]}}', { pick: "$['battery']" }],
    ["{{ value_json['ENERGY'].Power }}", { pick: "$['ENERGY']['Power']" }],
    ['{{ value_json.emeters[0].power | float(0) | round(1) }}', { pick: "$['emeters'][0]['power']" }],
    ["{{ value_json['it is'] | default('') }}", { pick: "$['it is']" }],
    ['{{ value_json.x / 10 }}', { pick: "$['x']", scale: 0.1 }],
    ['{{ (value_json.x | float) * 0.001 | round(2) }}', { pick: "$['x']", scale: 0.001 }],
    ['{{- value_json.a -}}', { pick: "$['a']" }],
  ])('%s picks a value', (template, meaning) => {
    expect(readTemplate(template)).toEqual({ ok: true, ...meaning });
  });

  it.each([
    "{% if value == 'on' %}1{% endif %}",
    "{{ 'ON' if value_json.contact else 'OFF' }}",
    '{{ value_json.a + value_json.b }}',
    '{{ value_json.a | as_datetime }}',
    '{{ value_json.a.values() }}',
    '{{ states("sensor.x") }}',
    '{{ value_json.a }} °C',
    '{{ value_json.a / 0 }}',
    '{{ value_json.a | float( }}',
    `{{ value_json${'.a'.repeat(200)} }}`,
    '',
  ])('%s is not run', (template) => {
    expect(readTemplate(template)).toMatchObject({ ok: false });
  });

  it('comes to an end whatever it is', () => {
    const parts = fc.constantFrom(
      '{{',
      '}}',
      'value_json',
      'value',
      '.',
      '[',
      ']',
      "'",
      '"',
      '|',
      'float',
      '(',
      ')',
      '/',
      ' ',
      '1',
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 80 }), (words) => {
        const reading = readTemplate(`{{ ${words.join('')} }}`);
        return typeof reading.ok === 'boolean';
      }),
    );
  });
});
