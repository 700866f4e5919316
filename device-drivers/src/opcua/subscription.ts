import { type Clock, every, UnavailableError } from '@millwright/protocol';
import {
  AttributeIds,
  ClientMonitoredItemGroup,
  type ClientSession,
  ClientSubscription,
  TimestampsToReturn,
} from 'node-opcua-client';
import type { MonitoredPoint } from './messages.ts';
import type { ReceivedValue } from './values.ts';

/** Servers limit what one request may create; this is below every limit seen in the field. */
const ITEMS_PER_REQUEST = 500;
/** How often an idle server says that it is still there, within these bounds. */
const SHORTEST_KEEP_ALIVE_MS = 1000;
const LONGEST_KEEP_ALIVE_MS = 5000;
/** Keep-alives missed until a subscription counts as dead here, and at the server. */
const MISSED_UNTIL_DEAD = 2.5;
const MISSED_UNTIL_EXPIRED = 6;

export interface MonitorOptions {
  readonly session: ClientSession;
  readonly clock: Clock;
  /** Ends the watch over the subscriptions; they themselves end with the session. */
  readonly signal: AbortSignal;
  readonly points: readonly MonitoredPoint[];
  readonly onValue: (point: MonitoredPoint, received: ReceivedValue) => void;
  /** Called when a subscription can no longer be relied upon. */
  readonly end: (why: string) => void;
}

/**
 * Subscribes to every point: one subscription per publish interval, its items created in bulk.
 * A node that the server refuses is reported as a value with the server's status.
 * @throws UnavailableError `SUBSCRIPTION_FAILED`
 */
export async function monitor(options: MonitorOptions): Promise<void> {
  const byInterval = Map.groupBy(options.points, (point) => point.publishMs);
  for (const [publishMs, points] of byInterval) {
    const subscription = await subscribe(publishMs, options);
    for (const [queue, alike] of Map.groupBy(points, (point) => point.queue)) {
      for (let from = 0; from < alike.length; from += ITEMS_PER_REQUEST) {
        await createItems(subscription, alike.slice(from, from + ITEMS_PER_REQUEST), queue, options);
      }
    }
  }
}

async function subscribe(publishMs: number, options: MonitorOptions): Promise<ClientSubscription> {
  const { session, clock, signal, end } = options;
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
  points: readonly MonitoredPoint[],
  queue: number,
  { signal, onValue }: MonitorOptions,
): Promise<void> {
  const group = ClientMonitoredItemGroup.create(
    subscription,
    points.map(({ node }) => ({ nodeId: node, attributeId: AttributeIds.Value })),
    { samplingInterval: subscription.publishingInterval, queueSize: queue, discardOldest: true },
    TimestampsToReturn.Both,
  );
  group.on('changed', (_, received, index) => {
    const point = points[index];
    if (point !== undefined && !signal.aborted) onValue(point, received);
  });
  await untilOneOf(signal, (resolve, reject) => {
    group.on('initialized', resolve);
    group.on('err', (message) => reject(new UnavailableError('SUBSCRIPTION_FAILED', message)));
  });
  group.monitoredItems.forEach((item, index) => {
    const point = points[index];
    const statusCode = item.statusCode;
    if (point === undefined || statusCode.isGood()) return;
    onValue(point, {
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
