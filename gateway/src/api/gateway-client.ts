import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AlarmAction, InvalidInputError, Receipt, UnavailableError } from '@millwright/protocol';
import { z } from 'zod';
import type { AlarmView } from '../alarms/alarm-record.ts';
import { ALARM_STATES } from '../alarms/alarm-state.ts';

const WITHIN_MS = 60_000;

const Problem = z.object({ code: z.string(), detail: z.string(), hint: z.string().optional() });
const ListedAlarm = z.object({
  device: z.string(),
  point: z.string(),
  alarm: z.string(),
  priority: z.string(),
  message: z.string(),
  state: z.enum(ALARM_STATES),
  isFirst: z.boolean(),
  isChattering: z.boolean(),
  by: z.string().optional(),
  reason: z.string().optional(),
  raisedAtMs: z.number(),
  shelvedUntilMs: z.number().optional(),
});
export type ListedAlarm = z.infer<typeof ListedAlarm>;
const AlarmList = z.object({ items: z.array(ListedAlarm), isFlooded: z.boolean() });

const ListedPending = z.object({
  id: z.string(),
  source: z.string(),
  name: z.string(),
  client: z.string().optional(),
  maker: z.string().optional(),
  model: z.string().optional(),
  points: z.array(z.string()),
  skipped: z.array(z.string()),
  entry: z.record(z.string(), z.unknown()).optional(),
  firstSeenMs: z.number(),
  lastSeenMs: z.number(),
});
export type ListedPending = z.infer<typeof ListedPending>;
const PendingList = z.object({ items: z.array(ListedPending), refused: z.number() });

export interface GatewayClientConfig {
  /** Of the gateway's API. */
  readonly url: string;
  /** Its state folder, for the token that changing something takes. */
  readonly state?: string | undefined;
  readonly token?: string | undefined;
}

/** A gateway's own API, for the shell. */
export class GatewayClient {
  readonly #config: GatewayClientConfig;

  constructor(config: GatewayClientConfig) {
    this.#config = config;
  }

  async alarms(): Promise<z.infer<typeof AlarmList>> {
    return AlarmList.parse(await this.#ask('GET', 'api/v1/alarms'));
  }

  async changeAlarm(
    name: { readonly device: string; readonly point: string; readonly alarm: string },
    action: AlarmAction,
    body: { readonly by: string; readonly reason?: string; readonly forMs?: number },
  ): Promise<Pick<AlarmView, 'state'>> {
    const path = [name.device, name.point, name.alarm, action].map(encodeURIComponent).join('/');
    return ListedAlarm.pick({ state: true }).parse(await this.#ask('POST', `api/v1/alarms/${path}`, body));
  }

  async write(
    target: { readonly device: string; readonly point: string },
    body: { readonly value: unknown; readonly by: string; readonly dryRun: boolean; readonly id?: string },
  ): Promise<Receipt> {
    const path = `api/v1/devices/${encodeURIComponent(target.device)}/points/${encodeURIComponent(target.point)}/write`;
    return Receipt.parse(await this.#ask('POST', path, body));
  }

  async pending(): Promise<z.infer<typeof PendingList>> {
    return PendingList.parse(await this.#ask('GET', 'api/v1/pending-devices'));
  }

  /** @returns the id it has now */
  async adopt(id: string, body: { readonly as?: string }): Promise<string> {
    const path = `api/v1/pending-devices/${encodeURIComponent(id)}/adopt`;
    return z.object({ id: z.string() }).parse(await this.#ask('POST', path, body)).id;
  }

  async dismiss(id: string): Promise<void> {
    await this.#ask('POST', `api/v1/pending-devices/${encodeURIComponent(id)}/dismiss`, {});
  }

  async #ask(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
    const { url } = this.#config;
    const token = await this.#token();
    let response: Response;
    try {
      response = await fetch(new URL(path, url), {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(WITHIN_MS),
      });
    } catch (cause) {
      throw new UnavailableError('GATEWAY_AWAY', `no gateway answers at ${url}`, {
        hint: 'is it running? --gateway <url> says where its API is',
        cause,
      });
    }
    const answer: unknown = await response.json().catch(() => undefined);
    if (response.ok) return answer;
    const problem = Problem.safeParse(answer);
    if (!problem.success) {
      throw new UnavailableError('GATEWAY_ODD', `${url} answered ${response.status}: is that a gateway?`);
    }
    const { code, detail, hint } = problem.data;
    const advice = response.status === 401 ? 'give --state <directory>, or MILLWRIGHT_TOKEN' : hint;
    throw new InvalidInputError(code, detail, advice === undefined ? {} : { hint: advice });
  }

  async #token(): Promise<string | undefined> {
    const { token, state } = this.#config;
    if (token !== undefined || state === undefined) return token;
    const path = join(state, 'api-token');
    try {
      return (await readFile(path, 'utf8')).trim();
    } catch (cause) {
      throw new InvalidInputError('TOKEN_UNREADABLE', `the token in ${path} cannot be read`, {
        hint: 'run this as the user the gateway runs as, or give MILLWRIGHT_TOKEN',
        cause,
      });
    }
  }
}
