import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DeviceType, InvalidInputError, parseYamlDocument, type SourceFile } from '@millwright/protocol';

const FOLDER = fileURLToPath(new URL('../../types', import.meta.url));

/** The device types that come with Millwright, one per file, as text: what `resolveSite` takes. */
export async function shippedTypeFiles(): Promise<SourceFile[]> {
  return typeFilesIn(FOLDER);
}

/** @throws InvalidInputError `TYPES_UNREADABLE` */
export async function typeFilesIn(folder: string): Promise<SourceFile[]> {
  try {
    const names = (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).sort();
    return await Promise.all(
      names.map(async (name) => ({
        name: join(folder, name),
        text: await readFile(join(folder, name), 'utf8'),
      })),
    );
  } catch (cause) {
    throw new InvalidInputError('TYPES_UNREADABLE', `cannot read device types in ${folder}`, { cause });
  }
}

export async function shippedTypes(): Promise<DeviceType[]> {
  return (await shippedTypeFiles()).map((file) => parseYamlDocument(file, DeviceType));
}

export type DeviceTypeOf<D extends DeviceType['driver']> = Extract<DeviceType, { driver: D }>;

/** @throws InvalidInputError `UNKNOWN_TYPE` */
export async function shippedType<D extends DeviceType['driver']>(
  name: string,
  driver: D,
): Promise<DeviceTypeOf<D>> {
  const found = (await shippedTypes()).find(
    (type): type is DeviceTypeOf<D> => type.type === name && type.driver === driver,
  );
  if (found === undefined) {
    throw new InvalidInputError('UNKNOWN_TYPE', `no ${driver} device type "${name}" comes with Millwright`);
  }
  return found;
}
