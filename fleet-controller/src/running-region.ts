import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidInputError, UnavailableError } from '@millwright/protocol';
import { z } from 'zod';

/** Tells, in the state folder, where the region that runs there is found. */
export const RUNNING_FILE = 'region.json';

const Running = z.object({ http: z.string(), apiTokenFile: z.string() });
const Refusal = z.object({ detail: z.string(), hint: z.string().optional() });

/**
 * Asks the region that runs on `state` over its API.
 * @throws UnavailableError `REGION_NOT_RUNNING`; InvalidInputError with what the region answered
 */
export async function askRegion<T>(
  state: string,
  request: {
    readonly method: 'GET' | 'POST' | 'DELETE';
    readonly path: string;
    readonly body?: unknown;
    readonly answer: z.ZodType<T>;
  },
): Promise<T> {
  const running = await readRunning(state);
  const token = (await readFile(running.apiTokenFile, 'utf8')).trim();
  const response = await fetch(new URL(request.path, running.http), {
    method: request.method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
  }).catch((cause: unknown) => {
    throw notRunning(state, cause);
  });
  const content: unknown = response.status === 204 ? null : await response.json();
  if (response.ok) return request.answer.parse(content);
  const { detail, hint } = Refusal.parse(content);
  throw new InvalidInputError('REGION_REFUSED', detail, hint === undefined ? {} : { hint });
}

async function readRunning(state: string): Promise<z.infer<typeof Running>> {
  try {
    return Running.parse(JSON.parse(await readFile(join(state, RUNNING_FILE), 'utf8')));
  } catch (cause) {
    throw notRunning(state, cause);
  }
}

function notRunning(state: string, cause: unknown): UnavailableError {
  return new UnavailableError('REGION_NOT_RUNNING', `no region runs on ${state}`, {
    retry: 'never',
    hint: `start it: millwright region run --config region.yaml --state ${state}`,
    cause,
  });
}
