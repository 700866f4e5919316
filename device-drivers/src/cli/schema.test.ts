import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SCHEMAS, schemaText } from './schema.ts';

const fileOf = (name: string) => new URL(`../../../docs/schema/${name}.schema.json`, import.meta.url);

describe('the schema for editors', () => {
  it.each(SCHEMAS)(
    'of a %s is the one in docs (else: millwright device schema <what> -o <file>)',
    async (name) => {
      const kept: unknown = JSON.parse(await readFile(fileURLToPath(fileOf(name)), 'utf8'));
      expect(kept).toEqual(JSON.parse(schemaText(name)));
    },
  );

  it('knows every driver, and computed points among the others', () => {
    const schema = schemaText('type');
    for (const driver of ['modbus', 'opcua', 'mqtt', 'host'])
      expect(schema).toContain(`"const": "${driver}"`);
    expect(schema).toContain('"#/$defs/computedPoint"');
    expect(schemaText('site')).toContain('"computedPoint"');
  });
});
