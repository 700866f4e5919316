import { readFile } from 'node:fs/promises';
import { InvalidInputError } from '@millwright/protocol';
import type { LinkTls } from './client-link.ts';

/** PEM files by their paths; absent: not needed. */
export interface LinkTlsFiles {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** @throws InvalidInputError `TLS_FILES` that names the file */
export async function readTls(files: LinkTlsFiles): Promise<LinkTls> {
  const read = async (file: string | undefined) => {
    try {
      return file === undefined ? undefined : await readFile(file);
    } catch (cause) {
      throw new InvalidInputError('TLS_FILES', `cannot read ${file}, which a tls block names`, {
        hint: 'check the path and that the user the gateway runs as may read it',
        cause,
      });
    }
  };
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
