import {
  describeError,
  InvalidInputError,
  LimitError,
  type Logger,
  MillwrightError,
  UnauthorizedError,
  UnavailableError,
} from '@millwright/protocol';
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { ZodError } from 'zod';
import { databaseError } from '../store/errors.ts';
import type { Problem } from './schemas.ts';

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** An answer in RFC 9457's form. `hint` is what the caller can do. */
export function problem<S extends ContentfulStatusCode>(
  context: Context,
  status: S,
  code: string,
  detail: string,
  hint?: string,
) {
  const body: Problem = {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    code,
    ...(hint === undefined ? {} : { hint }),
  };
  return context.json(body, status, { 'content-type': 'application/problem+json' });
}

/** What a thrown error says to the caller; what is nobody's fault out there is logged here. */
export function errorProblem(context: Context, thrown: unknown, logger: Logger): Response {
  if (thrown instanceof HTTPException && thrown.status < 500) {
    return problem(context, 400, 'INVALID', thrown.message);
  }
  const error = databaseError(thrown);
  if (!(error instanceof MillwrightError)) {
    logger.error({ err: error, path: context.req.path }, 'a request failed');
    return problem(context, 500, 'INTERNAL', 'something went wrong here; the log of the region says what');
  }
  const { code, hint } = error;
  const detail = hint === undefined ? describeError(error) : error.message;
  if (error instanceof InvalidInputError) return problem(context, 400, code, detail, hint);
  if (error instanceof UnauthorizedError) return problem(context, 401, code, detail, hint);
  if (error instanceof LimitError) return problem(context, 429, code, detail, hint);
  if (error instanceof UnavailableError) return problem(context, 503, code, detail, hint);
  logger.error({ err: error, path: context.req.path }, 'a request failed');
  return problem(context, 500, code, detail, hint);
}

export function validationProblem(context: Context, where: string, error: ZodError): Response {
  const detail = error.issues
    .slice(0, 10)
    .map(({ path, message }) => `${[where, ...path].join('.')}: ${message}`)
    .join('; ');
  return problem(context, 400, 'INVALID', detail);
}
