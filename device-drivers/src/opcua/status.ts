import { GOOD, type QualityByte, qualityByte, type Reason } from '@millwright/protocol';

/** Reasons by the upper half of the code. @see OPC UA Part 4 §7.39, Part 8 §6.3 */
const REASONS: ReadonlyMap<number, Reason> = new Map([
  [0x4090, 'stale'], // UncertainLastUsableValue
  [0x4092, 'not-yet-read'], // UncertainInitialValue
  [0x4093, 'sensor-fault'], // UncertainSensorNotAccurate
  [0x4094, 'out-of-range'], // UncertainEngineeringUnitsExceeded
  [0x8005, 'disconnected'], // BadCommunicationError
  [0x800a, 'timeout'], // BadTimeout
  [0x800c, 'disconnected'], // BadShutdown
  [0x800d, 'disconnected'], // BadServerNotConnected
  [0x8031, 'disconnected'], // BadNoCommunication
  [0x8032, 'not-yet-read'], // BadWaitingForInitialData
  [0x8033, 'illegal-address'], // BadNodeIdInvalid
  [0x8034, 'illegal-address'], // BadNodeIdUnknown
  [0x8035, 'illegal-address'], // BadAttributeIdInvalid
  [0x803c, 'out-of-range'], // BadOutOfRange
  [0x8085, 'timeout'], // BadRequestTimeout
  [0x808a, 'disconnected'], // BadNotConnected
  [0x808b, 'device-error'], // BadDeviceFailure
  [0x808c, 'sensor-fault'], // BadSensorFailure
]);

/** OPC UA's verdict on a value in our terms: the two highest bits are the severity. */
export function qualityOfStatus(code: number): QualityByte {
  const severity = code >>> 30;
  if (severity === 0) return GOOD;
  const reason = REASONS.get(code >>> 16);
  return severity === 1
    ? qualityByte('uncertain', reason ?? 'peer-uncertain')
    : qualityByte('bad', reason ?? 'peer-bad');
}
