import type { Sample } from '@millwright/protocol';

/** @see OPC UA Part 4 §7.39, Part 8 §6.3 */
const UNCERTAIN = {
  stale: 'UncertainLastUsableValue',
  'sensor-fault': 'UncertainSensorNotAccurate',
  'out-of-range': 'UncertainEngineeringUnitsExceeded',
} as const;
const BAD = {
  timeout: 'BadTimeout',
  disconnected: 'BadNoCommunication',
  'driver-restarted': 'BadNoCommunication',
  'illegal-address': 'BadNodeIdUnknown',
  'not-yet-read': 'BadWaitingForInitialData',
  'out-of-range': 'BadOutOfRange',
  'device-error': 'BadDeviceFailure',
  'sensor-fault': 'BadSensorFailure',
  'decode-error': 'BadDecodingError',
} as const;

/** A status code by its name. */
export type StatusName =
  | 'Good'
  | 'Uncertain'
  | 'Bad'
  | (typeof UNCERTAIN)[keyof typeof UNCERTAIN]
  | (typeof BAD)[keyof typeof BAD];

const UNCERTAIN_NAMES: ReadonlyMap<string, StatusName> = new Map(Object.entries(UNCERTAIN));
const BAD_NAMES: ReadonlyMap<string, StatusName> = new Map(Object.entries(BAD));

/** Our quality and reason as OPC UA says them. */
export function statusNameOf({ q, why = 'none' }: Pick<Sample, 'q' | 'why'>): StatusName {
  if (q === 'good') return 'Good';
  return q === 'uncertain' ? (UNCERTAIN_NAMES.get(why) ?? 'Uncertain') : (BAD_NAMES.get(why) ?? 'Bad');
}
