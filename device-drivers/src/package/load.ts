import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InvalidInputError, UnavailableError } from '@millwright/protocol';
import type { PackagedDriver } from './packaged-driver.ts';

/**
 * Loads a driver that is installed beside the gateway's files, or failing that beside Millwright itself.
 * @throws UnavailableError `DRIVER_NOT_INSTALLED`, `DRIVER_BROKEN`; InvalidInputError `NOT_A_DRIVER`
 */
export async function loadPackagedDriver(name: string, folder: string): Promise<PackagedDriver> {
  const file = resolveIn(join(folder, 'package.json'), name) ?? resolveIn(import.meta.filename, name);
  if (file === undefined) {
    throw new UnavailableError('DRIVER_NOT_INSTALLED', `the driver "${name}" is not installed`, {
      hint: `in ${folder}: npm install ${name}`,
    });
  }
  const { millwrightDriver } = (await import(pathToFileURL(file).href).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UnavailableError('DRIVER_BROKEN', `the driver "${name}" cannot be loaded: ${why}`, { cause });
  })) as { readonly millwrightDriver?: unknown };
  if (!isPackagedDriver(millwrightDriver)) {
    throw new InvalidInputError(
      'NOT_A_DRIVER',
      `"${name}" exports no "millwrightDriver" with connect, at and module`,
    );
  }
  return millwrightDriver;
}

function resolveIn(from: string, name: string): string | undefined {
  try {
    return createRequire(from).resolve(name);
  } catch {
    return undefined;
  }
}

function isPackagedDriver(value: unknown): value is PackagedDriver {
  if (typeof value !== 'object' || value === null) return false;
  const { connect, at, module } = value as Partial<PackagedDriver>;
  const isSchema = (schema: unknown) => typeof (schema as PackagedDriver['at'])?.safeParse === 'function';
  return isSchema(connect) && isSchema(at) && typeof module?.create === 'function';
}
