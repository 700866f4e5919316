import { MillwrightError, UnavailableError } from '@millwright/protocol';

/** Node's words for "nobody there". */
const AWAY = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** Classes and codes that pass by themselves. @see PostgreSQL, appendix A */
const TRANSIENT = /^(08|57P|53|40|55P03|57014)/;
/** What node-postgres throws without a code. */
const AWAY_WORDS =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered|not queryable/;

/**
 * Says whether a fault of the database passes by itself.
 * @returns `error` itself when it is ours already, or a fault of the query
 */
export function databaseError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof MillwrightError) return error;
  const code = 'code' in error ? String(error.code) : '';
  if (code === '53100') {
    return new UnavailableError('DATABASE_FULL', 'the database has no room left on its disk', {
      hint: 'free space where the database keeps its data',
      cause: error,
    });
  }
  if (AWAY.has(code) || TRANSIENT.test(code) || AWAY_WORDS.test(error.message)) {
    return new UnavailableError('DATABASE_AWAY', `the database cannot be reached now: ${error.message}`, {
      cause: error,
    });
  }
  return error;
}

/** Runs `query`, giving faults of the connection as UnavailableError. */
export async function onDatabase<T>(query: () => Promise<T>): Promise<T> {
  try {
    return await query();
  } catch (error) {
    throw databaseError(error);
  }
}
