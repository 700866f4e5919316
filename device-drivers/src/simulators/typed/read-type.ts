import { readFile } from 'node:fs/promises';
import { DeviceType, InvalidInputError, parseYamlDocument } from '@millwright/protocol';
import type { DeviceTypeOf } from '../shipped-types.ts';

/** @throws InvalidInputError `FILE_MISSING`, `CONFIG_INVALID`, `SIMULATOR_TYPE` */
export async function readModbusType(file: string): Promise<DeviceTypeOf<'modbus'>> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new InvalidInputError('FILE_MISSING', `cannot read the device type ${file}`, { cause });
  });
  const type = parseYamlDocument({ name: file, text }, DeviceType);
  if (type.driver === 'modbus') return type;
  throw new InvalidInputError(
    'SIMULATOR_TYPE',
    `${file} describes a ${type.driver} device; only Modbus is simulated`,
  );
}
