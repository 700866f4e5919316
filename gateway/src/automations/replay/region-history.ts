import {
  deviceIdOf,
  InvalidInputError,
  LimitError,
  SiteId,
  UnauthorizedError,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import { pointText, type RuleInput, type RuleSpec } from '@millwright/protocol/automation';
import { z } from 'zod';
import { RecordedRows } from './recorded-rows.ts';

const WITHIN_MS = 60_000;
const MAX_PAGES = 10_000;

const Devices = z.object({ items: z.array(z.object({ id: z.string() })), next: z.string().nullable() });
const Page = z.object({
  step: z.number(),
  points: z.array(
    z.object({
      t: z.number(),
      v: z.union([z.number(), z.boolean(), z.string(), z.null()]),
      q: z.enum(['good', 'uncertain', 'bad']),
      why: z.string().optional(),
    }),
  ),
  continueFromMs: z.number().nullable(),
});

export interface RegionConfig {
  /** Of the region's API. */
  readonly url: string;
  readonly token: string;
  /** Where the rule's devices are; absent: looked up, which takes their names to be unique. */
  readonly site?: string | undefined;
}

/**
 * Reads the samples of a rule's inputs from a region. Their times are those of the devices.
 * @throws InvalidInputError `RECORDING_EMPTY`, `POINT_UNKNOWN`; UnauthorizedError; UnavailableError `REGION_UNREACHABLE`
 */
export async function readRegionHistory(
  region: RegionConfig,
  rule: RuleSpec,
  span: { readonly fromMs: number; readonly toMs: number },
): Promise<ReturnType<RecordedRows['toHistory']>> {
  const inputs = Object.values(rule.inputs);
  const rows = new RecordedRows(inputs);
  for (const [at, input] of inputs.entries()) {
    const device = await deviceOf(region, input);
    const path = `api/v1/devices/${encodeURIComponent(device)}/points/${encodeURIComponent(input.ref.point)}/history`;
    let fromMs: number | null = span.fromMs;
    for (let page = 0; fromMs !== null; page++) {
      if (page >= MAX_PAGES)
        throw new LimitError('RECORDING_TOO_LARGE', `${pointText(input.ref)} has too much history`);
      const query: string = new URLSearchParams({
        from: String(fromMs),
        to: String(span.toMs),
        step: 'raw',
      }).toString();
      const { points, continueFromMs, step } = Page.parse(await ask(region, `${path}?${query}`));
      if (step !== 0)
        throw new InvalidInputError('REGION_ANSWER', 'the region answered with roll-ups instead of samples');
      for (const { t, v, q, why } of points) rows.add(at, t, readingOf(v, input.as), q, why);
      fromMs = continueFromMs;
    }
  }
  return rows.toHistory();
}

async function deviceOf(region: RegionConfig, { ref }: RuleInput): Promise<string> {
  if (region.site !== undefined) {
    const site = SiteId.safeParse(region.site);
    if (!site.success) throw new InvalidInputError('USAGE', `"${region.site}" is not a site`);
    return deviceIdOf(site.data, ref.device);
  }
  const found: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const path: string = `api/v1/devices?limit=1000${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
    const { items, next } = Devices.parse(await ask(region, path));
    found.push(...items.map(({ id }) => id).filter((id) => id.endsWith(`.${ref.device}`)));
    cursor = next;
  }
  const [only, second] = found;
  if (only !== undefined && second === undefined) return only;
  const what =
    only === undefined ? `knows no device "${ref.device}"` : `knows several: ${found.slice(0, 5).join(', ')}`;
  throw new InvalidInputError('DEVICE_UNKNOWN', `the region ${what}`, { hint: 'say which site with --site' });
}

async function ask({ url, token }: RegionConfig, path: string): Promise<unknown> {
  const base = url.endsWith('/') ? url : `${url}/`;
  let answer: Response;
  try {
    answer = await fetch(new URL(path, base), {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(WITHIN_MS),
    });
  } catch (cause) {
    throw new UnavailableError('REGION_UNREACHABLE', `the region at ${url} does not answer`, { cause });
  }
  if (answer.ok) return answer.json();
  const problem = z.object({ detail: z.string() }).safeParse(await answer.json().catch(() => undefined));
  const what = problem.success ? problem.data.detail : `the region answered with status ${answer.status}`;
  if (answer.status === 401)
    throw new UnauthorizedError('REGION_TOKEN', what, { hint: 'check --token-file' });
  throw new InvalidInputError('REGION_REFUSED', what);
}

/** The API writes whole numbers beyond ±2^53 as text, and what is not finite by name. */
function readingOf(value: Value, as: RuleInput['as']): Value {
  return as === 'number' && typeof value === 'string' ? Number(value) : value;
}
