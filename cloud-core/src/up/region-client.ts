import { UnavailableError } from '@millwright/protocol';
import { z } from 'zod';

interface Target {
  readonly api: string;
  readonly token: string;
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 5000;
const TokenAnswer = z.object({ token: z.string() });
const Devices = z.object({
  items: z.array(z.object({ id: z.string(), gateway: z.string(), online: z.boolean() })),
});
const Device = z.object({ points: z.array(z.object({ tSource: z.number().nullable().optional() })) });

/** A one-off enrolment token for a gateway of `site`. */
export async function createEnrolmentToken(target: Target & { readonly site: string }): Promise<string> {
  const answer = await call(target, '/api/v1/enrolment-tokens', {
    site: target.site,
    expiresInMs: 3_600_000,
  });
  return TokenAnswer.parse(answer).token;
}

/** Which gateways have announced devices, and which devices have not sent a value yet. */
export async function devicesWithValues(
  target: Target,
): Promise<{ readonly gateways: string[]; readonly silent: string[] }> {
  const { items } = Devices.parse(await call(target, '/api/v1/devices'));
  const silent: string[] = [];
  for (const item of items) {
    const { points } = Device.parse(await call(target, `/api/v1/devices/${encodeURIComponent(item.id)}`));
    if (!item.online || !points.some((point) => typeof point.tSource === 'number')) silent.push(item.id);
  }
  return { gateways: items.map((item) => item.gateway), silent };
}

async function call(target: Target, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(target.api + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${target.token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.any([target.signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  if (!response.ok) {
    throw new UnavailableError(
      'REGION_API',
      `${path} answered ${response.status}: ${(await response.text()).slice(0, 300)}`,
    );
  }
  return response.json();
}
