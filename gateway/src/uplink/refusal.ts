import { type MillwrightError, UnauthorizedError, UnavailableError } from '@millwright/protocol';

/** The region's refusal of an uplink as the error it is here. */
export function refusalOf(code: string, message: string): MillwrightError {
  const text = `the region refused the uplink: ${message}`;
  switch (code) {
    case 'NOT_ENROLLED':
      return new UnauthorizedError(code, text, {
        hint: 'the region does not know this gateway: enrol it with a new token',
      });
    case 'REPLACED':
      return new UnavailableError(code, text, {
        hint: 'another process uses the identity of this gateway: end it, or give the copy a new state folder',
      });
    default:
      return new UnavailableError(code, text);
  }
}
