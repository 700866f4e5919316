import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { importDevices, type Source } from '../importers/index.ts';
import { print } from './print.ts';

export interface ImportOptions {
  readonly out?: string;
}

/** @throws InvalidInputError `FILE_MISSING`, `IMPORT_INVALID` */
export async function importSite(source: Source, files: string[], { out }: ImportOptions): Promise<void> {
  const { devices, lost, site } = await importDevices(
    source,
    files.map((file) => resolve(file)),
  );
  if (out === undefined) {
    print(site.trimEnd());
    return;
  }
  // Never over a file that is there: a person may have gone on with it.
  await writeFile(resolve(out), site, { flag: 'wx' });
  const points = devices.reduce((sum, device) => sum + Object.keys(device.points).length, 0);
  print(`${out}: ${devices.length} devices, ${points} points; ${lost.length} things were not carried over`);
  for (const line of lost) print(`  ${line}`);
  print(`Next: millwright device check ${out}`);
}
