import { describeError } from '@millwright/protocol';
import {
  AttributeIds,
  ClientMonitoredItem,
  type ClientSession,
  type ClientSubscription,
  constructEventFilter,
  DataType,
  TimestampsToReturn,
  type Variant,
} from 'node-opcua-client';
import type { ToldEvent, WatchedEvents } from './messages.ts';

const FIELDS = [
  'EventType',
  'SourceNode',
  'SourceName',
  'Time',
  'Message',
  'Severity',
  'ConditionName',
  'ConditionId',
  'ActiveState.Id',
  'AckedState.Id',
  'Retain',
] as const;
type Field = (typeof FIELDS)[number];

const REFRESH_START = 'ns=0;i=2787';
const REFRESH_END = 'ns=0;i=2788';
const REFRESH_REQUIRED = 'ns=0;i=2789';
const CONDITION_TYPE = 'i=2782';
const CONDITION_REFRESH = 'i=3875';
const QUEUE = 1000;
const MAX_ACTIVE = 10_000;
const MAX_TEXT = 500;

export interface EventsOptions {
  readonly session: ClientSession;
  readonly subscription: ClientSubscription;
  readonly watched: WatchedEvents;
  readonly signal: AbortSignal;
  readonly onEvent: (event: ToldEvent) => void;
  /** The server has just told all conditions that are active. */
  readonly onConditions: (active: readonly string[]) => void;
  readonly log: (message: string) => void;
}

/**
 * Listens to a notifier, and asks it for the conditions that are active already. A server without conditions is
 * listened to all the same.
 * @see OPC UA Part 9 §5.5.7 ConditionRefresh
 */
export async function monitorEvents(options: EventsOptions): Promise<void> {
  const { session, subscription, watched, signal, onEvent, onConditions, log } = options;
  let refreshed: Set<string> | undefined;
  const refresh = async () => {
    const { statusCode } = await session.call({
      objectId: CONDITION_TYPE,
      methodId: CONDITION_REFRESH,
      inputArguments: [{ dataType: DataType.UInt32, value: subscription.subscriptionId }],
    });
    if (statusCode.isNotGood()) log(`active conditions are not told anew: ${statusCode.toString()}`);
  };
  const receive = (values: readonly Variant[]) => {
    if (signal.aborted) return;
    const field = fieldsOf(values);
    switch (String(field('EventType') ?? '')) {
      case REFRESH_START:
        refreshed = new Set();
        return;
      case REFRESH_END:
        if (refreshed !== undefined) onConditions([...refreshed]);
        refreshed = undefined;
        return;
      case REFRESH_REQUIRED:
        refresh().catch((error: unknown) =>
          log(`active conditions are not told anew: ${describeError(error)}`),
        );
        return;
    }
    const event = eventOf(field, watched.device);
    if (event.severity < watched.minSeverity) return;
    const { condition } = event;
    if (condition === undefined && !watched.all) return;
    if (condition?.active && refreshed !== undefined && refreshed.size < MAX_ACTIVE)
      refreshed.add(condition.name);
    onEvent(event);
  };
  const item = ClientMonitoredItem.create(
    subscription,
    { nodeId: watched.from, attributeId: AttributeIds.EventNotifier },
    { samplingInterval: 0, queueSize: QUEUE, discardOldest: true, filter: constructEventFilter([...FIELDS]) },
    TimestampsToReturn.Both,
  );
  item.on('changed', (values: unknown) => {
    if (Array.isArray(values)) receive(values);
  });
  const isListening = await new Promise<boolean>((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    item.once('initialized', () => resolve(true));
    item.once('err', (message: string) => {
      log(`${watched.from} tells no events: ${message}`);
      resolve(false);
    });
  });
  if (!isListening) return;
  await refresh().catch((error: unknown) => {
    signal.throwIfAborted();
    log(`active conditions are not told: ${describeError(error)}`);
  });
}

function fieldsOf(values: readonly Variant[]): (name: Field) => unknown {
  return (name) => values[FIELDS.indexOf(name)]?.value;
}

function eventOf(field: (name: Field) => unknown, device: number): ToldEvent {
  const time = field('Time');
  const severity = field('Severity');
  const source = textOf(field('SourceName'));
  const message = textOf(field('Message'));
  const event = {
    device,
    source,
    message: message === '' ? `an event of ${source}` : message,
    sourceNode: String(field('SourceNode') ?? ''),
    severity: typeof severity === 'number' ? Math.min(1000, Math.max(1, severity)) : 1,
    atMs: time instanceof Date ? time.getTime() : Date.now(),
  };
  if (field('ConditionId') === null || field('ConditionId') === undefined) return event;
  const active = field('ActiveState.Id');
  const name = [source, textOf(field('ConditionName'))].filter((part) => part !== '').join('/');
  const condition = {
    name: name === '' ? String(field('ConditionId')) : name,
    // A condition without states (a mere ConditionType) is of interest as long as it is retained.
    active: typeof active === 'boolean' ? active : field('Retain') === true,
    acked: field('AckedState.Id') === true,
  };
  return { ...event, condition };
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, MAX_TEXT);
  if (typeof value === 'object' && value !== null && 'text' in value && typeof value.text === 'string') {
    return value.text.slice(0, MAX_TEXT);
  }
  return '';
}
