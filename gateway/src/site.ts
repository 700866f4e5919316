import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type DeviceSpec,
  hasExpressions,
  InvalidInputError,
  resolveSite,
  type SourceFile,
} from '@millwright/protocol';
import { type GatewayConfig, readText } from './config.ts';

/** Device types that come with the drivers. */
export const SHIPPED_TYPES: string = fileURLToPath(
  new URL('../types', import.meta.resolve('@millwright/device-drivers')),
);

/**
 * Reads the site file and all device types.
 * @throws InvalidInputError `CONFIG_INVALID` with one line per problem; `FILE_MISSING`
 */
export async function readSite(
  config: Pick<GatewayConfig, 'devices' | 'types'>,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<DeviceSpec[]> {
  const folders = [SHIPPED_TYPES, ...config.types];
  const types = (await Promise.all(folders.map(readFolder))).flat();
  const site = { name: config.devices, text: await readText(config.devices, 'the site file') };
  const specs = resolveSite({ site, types, variables });
  if (!hasExpressions(specs)) return specs;
  // Loaded by sites that have expressions only; read again with it, each fault is told where it is written.
  const { Expression } = await import('@millwright/protocol/expression');
  return resolveSite({ site, types, variables, expressions: Expression });
}

async function readFolder(folder: string): Promise<SourceFile[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    throw new InvalidInputError('FILE_MISSING', `cannot read the folder of device types: ${folder}`, {
      hint: 'check "types" in the gateway configuration',
      cause,
    });
  }
  const files = names.filter((name) => /\.ya?ml$/.test(name)).sort();
  return Promise.all(
    files.map(async (name) => ({
      name: join(folder, name),
      text: await readText(join(folder, name), 'a device type'),
    })),
  );
}
