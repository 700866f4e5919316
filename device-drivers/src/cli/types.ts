import { basename } from 'node:path';
import { DeviceType, InvalidInputError, parseYamlDocument } from '@millwright/protocol';
import { shippedTypeFiles } from '../simulators/shipped-types.ts';
import { print } from './print.ts';
import { table } from './table.ts';

/** @throws InvalidInputError `UNKNOWN_TYPE` */
export async function listTypes(wanted: string | undefined): Promise<void> {
  const known = (await shippedTypeFiles()).map((file) => ({
    file,
    type: parseYamlDocument(file, DeviceType),
  }));
  if (wanted !== undefined) {
    const found = known.find(({ type }) => type.type === wanted || type.type.split('@')[0] === wanted);
    if (found === undefined) {
      const names = known.map(({ type }) => type.type).join(', ');
      throw new InvalidInputError('UNKNOWN_TYPE', `there is no device type "${wanted}"`, {
        hint: `there are ${names}`,
      });
    }
    print(found.file.text.trimEnd());
    return;
  }
  const rows = known.map(({ file, type }) => {
    const points = Object.values(type.points);
    const writable = points.filter((point) => point.write !== undefined).length;
    return [
      type.type,
      type.driver,
      String(points.length),
      String(writable),
      type.label ?? '',
      basename(file.name),
    ];
  });
  print(table(['TYPE', 'DRIVER', 'POINTS', 'WRITABLE', 'LABEL', 'FILE'], rows));
}
