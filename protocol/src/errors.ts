/** What the caller may do about an error: wait and repeat, present new credentials, or give up. */
export type Retry = 'backoff' | 'reauth' | 'never';

export interface MillwrightErrorOptions {
  readonly retry?: Retry;
  /** What the operator does next, as one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * Root of every error that crosses a module boundary.
 * `code` is stable and machine-readable (`DRIVER_OFFLINE`); `message` names the field, the value and the fault.
 */
export class MillwrightError extends Error {
  readonly code: string;
  readonly retry: Retry;
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: MillwrightErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retry = options.retry ?? 'never';
    this.hint = options.hint;
  }
}

/** Input that no retry makes right: configuration, wire messages, files, API bodies. */
export class InvalidInputError extends MillwrightError {}

/** A peer, device, disk or process that may come back by itself. */
export class UnavailableError extends MillwrightError {
  constructor(code: string, message: string, options: MillwrightErrorOptions = {}) {
    super(code, message, { retry: 'backoff', ...options });
  }
}

/** A bounded thing is full: queue, journal, message, connection count. */
export class LimitError extends MillwrightError {}

/** Credentials missing, wrong or expired. */
export class UnauthorizedError extends MillwrightError {
  constructor(code: string, message: string, options: MillwrightErrorOptions = {}) {
    super(code, message, { retry: 'reauth', ...options });
  }
}

/** The one line a person needs, whatever was thrown. */
export function describeError(error: unknown): string {
  if (error instanceof MillwrightError && error.hint !== undefined) return `${error.message} (${error.hint})`;
  return error instanceof Error ? error.message : String(error);
}
