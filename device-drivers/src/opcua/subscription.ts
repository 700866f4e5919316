import { type Clock, every, UnavailableError } from '@millwright/protocol';
import {
  AttributeIds,
  ClientMonitoredItemGroup,
  type ClientSession,
  ClientSubscription,
  TimestampsToReturn,
} from 'node-opcua-client';
import { monitorEvents } from './events.ts';
import { chunks, type ServerLimits } from './limits.ts';
import type { ToldEvent, WatchedEvents } from './messages.ts';
import type { PointState } from './point-state.ts';
import type { ReceivedValue } from './values.ts';

/** How soon events are told. */
const EVENTS_PUBLISH_MS = 500;
/** A server that samples slower than this many times what was asked for is worth a note. */
const MUCH_SLOWER = 1.5;
/** How often an idle server says that it is still there, within these bounds. */
const SHORTEST_KEEP_ALIVE_MS = 1000;
const LONGEST_KEEP_ALIVE_MS = 5000;
/** Keep-alives missed until a subscription counts as dead here, and at the server. */
const MISSED_UNTIL_DEAD = 2.5;
const MISSED_UNTIL_EXPIRED = 6;

export interface MonitorOptions {
  readonly session: ClientSession;
  readonly clock: Clock;
  readonly limits: ServerLimits;
  /** Ends the watch over the subscriptions; they themselves end with the session. */
  readonly signal: AbortSignal;
  readonly points: readonly PointState[];
  readonly events: readonly WatchedEvents[];
  readonly onValue: (state: PointState, received: ReceivedValue) => void;
  readonly onEvent: (event: ToldEvent) => void;
  readonly onConditions: (device: number, active: readonly string[]) => void;
  /** Something came from the server: a value, or only the word that there is none. */
  readonly onHeard: () => void;
  /** Called when a subscription can no longer be relied upon. */
  readonly end: (why: string) => void;
  readonly log: (message: string) => void;
}

/**
 * Subscribes to every point: one subscription per publish interval, its items created in pieces the server can take.
 * A node that the server refuses is reported as a value with the server's status.
 * @throws UnavailableError `SUBSCRIPTION_FAILED`
 */
export async function monitor(options: MonitorOptions): Promise<void> {
  const { points, events, limits, onConditions, log } = options;
  const open = new Map<number, ClientSubscription>();
  const slower = new Set<number>();
  for (const [publishMs, group] of byInterval(points, limits.subscriptions - (events.length > 0 ? 1 : 0))) {
    const subscription = await subscribe(publishMs, options);
    open.set(publishMs, subscription);
    for (const [queue, alike] of Map.groupBy(group, ({ point }) => point.queue)) {
      for (const some of chunks(alike, limits.itemsPerCall)) {
        await createItems(subscription, some, { queue, publishMs, slower }, options);
      }
    }
  }
  if (slower.size > 0) log(`the server samples some values only every ${[...slower].join(', ')} ms`);
  if (events.length === 0) return;
  const subscription = open.get(EVENTS_PUBLISH_MS) ?? (await subscribe(EVENTS_PUBLISH_MS, options));
  for (const watched of events) {
    const told = (active: readonly string[]) => onConditions(watched.device, active);
    await monitorEvents({ ...options, subscription, watched, onConditions: told });
  }
}

/** Small servers allow few subscriptions: the slowest intervals then share the next faster one. */
function byInterval(points: readonly PointState[], most: number): [number, PointState[]][] {
  const groups = [...Map.groupBy(points, ({ point }) => point.publishMs)].sort(([a], [b]) => a - b);
  while (groups.length > Math.max(1, most)) {
    const last = groups.pop();
    groups.at(-1)?.[1].push(...(last?.[1] ?? []));
  }
  return groups;
}

async function subscribe(publishMs: number, options: MonitorOptions): Promise<ClientSubscription> {
  const { session, clock, signal, end, onHeard } = options;
  const keepAliveMs = Math.min(LONGEST_KEEP_ALIVE_MS, Math.max(SHORTEST_KEEP_ALIVE_MS, 4 * publishMs));
  const keepAliveCount = Math.max(1, Math.ceil(keepAliveMs / publishMs));
  const subscription = ClientSubscription.create(session, {
    requestedPublishingInterval: publishMs,
    requestedMaxKeepAliveCount: keepAliveCount,
    requestedLifetimeCount: MISSED_UNTIL_EXPIRED * keepAliveCount,
    maxNotificationsPerPublish: 0,
    publishingEnabled: true,
  });
  let heardMs = clock.monotonicMs();
  subscription.on('raw_notification', () => {
    heardMs = clock.monotonicMs();
    onHeard();
  });
  subscription.on('terminated', () => end('the server ended the subscription'));
  subscription.on('status_changed', (status) =>
    end(`the subscription changed its state: ${status.toString()}`),
  );
  subscription.on('internal_error', (error) => end(`the subscription failed: ${error.message}`));
  subscription.on('error', (error) => end(`the subscription failed: ${error.message}`));
  await untilOneOf(signal, (resolve) => subscription.on('started', resolve));
  // The server may have chosen other numbers than those asked for.
  const silentMs = MISSED_UNTIL_DEAD * subscription.maxKeepAliveCount * subscription.publishingInterval;
  const cancel = every(clock, silentMs / 5, () => {
    const quietMs = clock.monotonicMs() - heardMs;
    if (quietMs > silentMs) end(`the subscription has been silent for ${Math.round(quietMs)} ms`);
  });
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  return subscription;
}

async function createItems(
  subscription: ClientSubscription,
  points: readonly PointState[],
  asked: { readonly queue: number; readonly publishMs: number; readonly slower: Set<number> },
  { signal, onValue }: MonitorOptions,
): Promise<void> {
  const group = ClientMonitoredItemGroup.create(
    subscription,
    points.map(({ point }) => ({ nodeId: point.node, attributeId: AttributeIds.Value })),
    { samplingInterval: subscription.publishingInterval, queueSize: asked.queue, discardOldest: true },
    TimestampsToReturn.Both,
  );
  group.on('changed', (_, received, index) => {
    const state = points[index];
    if (state !== undefined && !signal.aborted) onValue(state, received);
  });
  await untilOneOf(signal, (resolve, reject) => {
    group.on('initialized', resolve);
    group.on('err', (message) => reject(new UnavailableError('SUBSCRIPTION_FAILED', message)));
  });
  group.monitoredItems.forEach((item, index) => {
    const state = points[index];
    const statusCode = item.statusCode;
    const revisedMs = item.monitoringParameters.samplingInterval;
    if (statusCode.isGood() && revisedMs > MUCH_SLOWER * asked.publishMs && asked.slower.size < 5) {
      asked.slower.add(revisedMs);
    }
    if (state === undefined || statusCode.isGood()) return;
    onValue(state, {
      value: { dataType: 0, arrayType: 0, value: null },
      statusCode,
      sourceTimestamp: null,
      serverTimestamp: null,
    });
  });
}

/** The library leaves some ways to fail without an event: then the attempt's own limit ends the wait. */
function untilOneOf(
  signal: AbortSignal,
  listen: (resolve: () => void, reject: (error: unknown) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    listen(() => resolve(), reject);
  });
}
