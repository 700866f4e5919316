import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { deviceTypeSchema, siteSchema } from '@millwright/protocol';
import { print } from './print.ts';

export const SCHEMAS = ['site', 'type'] as const;
export type SchemaName = (typeof SCHEMAS)[number];

/** A JSON Schema for editors, as text. */
export function schemaText(name: SchemaName): string {
  return `${JSON.stringify(name === 'site' ? siteSchema() : deviceTypeSchema(), null, 2)}\n`;
}

/** Prints or writes the schema of a site file or of a device type. */
export async function tellSchema(name: SchemaName, options: { readonly out?: string }): Promise<void> {
  const text = schemaText(name);
  if (options.out === undefined) {
    print(text.trimEnd());
    return;
  }
  await writeFile(resolve(options.out), text);
  print(`wrote ${options.out}; begin a file with "# yaml-language-server: $schema=<path to it>"`);
}
