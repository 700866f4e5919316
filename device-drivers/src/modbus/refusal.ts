import { type DeviceSlug, InvalidInputError, type PointId, UnavailableError } from '@millwright/protocol';

const REASONS: Readonly<Record<number, string>> = {
  1: 'it does not know the function',
  2: 'it does not have this address',
  3: 'it does not accept this value',
  4: 'it failed while doing so',
};

export function offline(device: DeviceSlug, why: string): UnavailableError {
  return new UnavailableError('DEVICE_OFFLINE', `${device}: ${why}`);
}

/** A device's exception as an error. @see Modbus Application Protocol V1.1b3 §7 */
export function refusal(
  device: DeviceSlug,
  point: PointId,
  code: number,
): InvalidInputError | UnavailableError {
  if (code === 5 || code === 6) {
    return new UnavailableError('DEVICE_BUSY', `${device}: the device is busy; "${point}" was not served`);
  }
  if (code === 10 || code === 11) return offline(device, 'the unit behind the gateway does not answer');
  const why = REASONS[code] ?? `exception ${code}`;
  return new InvalidInputError('DEVICE_REFUSED', `${device}: the device refused "${point}": ${why}`);
}
