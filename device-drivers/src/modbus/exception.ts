import { type DeviceSlug, InvalidInputError, type PointId, UnavailableError } from '@millwright/protocol';

const REASONS: Readonly<Record<number, string>> = {
  1: 'it does not know the function',
  2: 'it does not have this address',
  3: 'it does not accept this value',
  4: 'it failed while doing so',
};

/**
 * What an exception means for polling. `function`: never served like this; `address`: part of the range is not there;
 * `failure`: of the device, may pass; `busy`: ask later; `unreachable`: a gateway's word that the unit behind it is away.
 * @see Modbus Application Protocol V1.1b3 §7
 */
export function exceptionOf(code: number): 'function' | 'address' | 'failure' | 'busy' | 'unreachable' {
  switch (code) {
    case 1:
      return 'function';
    case 2:
    case 3:
      return 'address';
    case 5:
    case 6:
      return 'busy';
    case 10:
    case 11:
      return 'unreachable';
    default:
      return 'failure';
  }
}

/** Asked again later, the device may do it: it has not begun. @see Modbus Application Protocol V1.1b3 §7, code 6 */
export function isWorthRepeating(code: number): boolean {
  return code === 6;
}

export function offline(device: DeviceSlug, why: string): UnavailableError {
  return new UnavailableError('DEVICE_OFFLINE', `${device}: ${why}`);
}

export function unconfirmed(device: DeviceSlug, point: PointId, how: string): UnavailableError {
  return new UnavailableError('WRITE_UNCONFIRMED', `${device}: the write of "${point}" was ${how}`, {
    retry: 'never',
    hint: 'the device may have taken the value: read it before you write again',
  });
}

/** A device's exception as an error. @see Modbus Application Protocol V1.1b3 §7 */
export function refusal(
  device: DeviceSlug,
  point: PointId,
  code: number,
): InvalidInputError | UnavailableError {
  const meaning = exceptionOf(code);
  if (meaning === 'busy')
    return new UnavailableError('DEVICE_BUSY', `${device}: the device is busy; "${point}" was not served`);
  if (meaning === 'unreachable') return offline(device, 'the unit behind the gateway does not answer');
  const why = REASONS[code] ?? `exception ${code}`;
  return new InvalidInputError('DEVICE_REFUSED', `${device}: the device refused "${point}": ${why}`);
}
