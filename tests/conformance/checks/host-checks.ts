import { expect } from 'vitest';
import { z } from 'zod';
import { type HostRecord, LIMIT, MODE, SPEED } from '../support/host-record.ts';
import { metricOf, type Published } from '../support/published.ts';
import { assertions, type Check } from './check.ts';

const host = assertions<HostRecord>;
const STATE = 'spBv1.0/STATE/scada';
const DAY_MS = 24 * 3600 * 1000;
const State = z.strictObject({ online: z.boolean(), timestamp: z.int() });
const stateOf = (bytes: Buffer | string) => State.parse(JSON.parse(String(bytes)));

const of = (record: HostRecord, type: string): Published[] => {
  const found = record.published.filter((each) => each.type === type);
  expect(found, type).not.toEqual([]);
  return found;
};
const states = (record: HostRecord, online: boolean) =>
  of(record, 'STATE').filter(({ bytes }) => stateOf(bytes).online === online);
/** CONNECTs that became sessions. */
const connects = (record: HostRecord) => {
  const all = record.wire
    .of('connect')
    .filter(({ session }) => record.published.some((each) => each.session === session));
  expect(all).toHaveLength(2);
  return all;
};
const willOf = ({ packet }: ReturnType<typeof connects>[number]) => stateOf(String(packet.will?.payload));
const rebirths = (record: HostRecord) =>
  of(record, 'NCMD').filter(({ message }) => metricOf(message, 'Node Control/Rebirth') !== undefined);
const unstamped = (type: string) => (record: HostRecord) => {
  for (const { message } of of(record, type)) expect(message.seq).toBeUndefined();
};
const plain = (type: string) => (record: HostRecord) => {
  for (const { qos, retain } of of(record, type)) expect({ qos, retain }).toEqual({ qos: 0, retain: false });
};
const stamped = (type: string) => (record: HostRecord) => {
  for (const { message } of of(record, type)) {
    expect(Math.abs((message.timestamp ?? 0) - Date.now())).toBeLessThan(DAY_MS);
    for (const { timestamp } of message.metrics) expect(timestamp).toBeTypeOf('number');
  }
};

/** How a host application says that it is there. */
const HOST_STATE_CHECKS: readonly Check<HostRecord>[] = [
  ...host(
    `conformance-primary-host intro-sparkplug-host-state components-ph-state
     operational-behavior-host-application-termination`,
    (record) => {
      // The will of the session that was cut may come late, and is contradicted whenever it does.
      const steps = states(record, true).map(({ step }) => step);
      expect([...new Set(steps)].slice(0, 3)).toEqual(['start', 'contradicted', 'cut']);
      expect(states(record, false).map(({ step }) => step)).toEqual(['stop']);
      expect(stateOf(of(record, 'STATE').at(-1)?.bytes ?? '').online).toBe(false);
    },
  ),
  ...host(
    'message-flow-phid-sparkplug-clean-session-311',
    (record) => {
      for (const { packet } of connects(record))
        expect([packet.protocolVersion, packet.clean]).toEqual([4, true]);
    },
    { version: 4 },
  ),
  ...host(
    'message-flow-phid-sparkplug-clean-session-50',
    (record) => {
      for (const { packet } of connects(record)) {
        expect([packet.protocolVersion, packet.clean]).toEqual([5, true]);
        expect(packet.properties?.sessionExpiryInterval ?? 0).toBe(0);
      }
    },
    { version: 5 },
  ),
  ...host(
    `host-topic-phid-birth-message host-topic-phid-birth-sub-required host-topic-phid-birth-required
     message-flow-phid-sparkplug-subscription message-flow-phid-sparkplug-state-publish
     operational-behavior-host-application-connect-birth payloads-state-subscribe
     operational-behavior-primary-application-state-with-multiple-servers-state`,
    (record) => {
      for (const { session } of connects(record)) {
        // What the broker had retained is acknowledged in between.
        const packets = record.wire.sent
          .filter((each) => each.session === session && each.packet.cmd !== 'puback')
          .map(({ packet }) => packet);
        expect(packets.slice(0, 3).map(({ cmd }) => cmd)).toEqual(['connect', 'subscribe', 'publish']);
        const [, subscribe, publish] = packets;
        const topics =
          subscribe?.cmd === 'subscribe' ? subscribe.subscriptions.map(({ topic }) => topic) : [];
        expect(topics).toEqual([STATE, 'spBv1.0/plant/+/line/#']);
        expect(publish?.cmd === 'publish' && publish.topic).toBe(STATE);
      }
    },
  ),
  ...host(
    `host-topic-phid-birth-qos host-topic-phid-birth-retain host-topic-phid-birth-topic payloads-state-birth
     operational-behavior-host-application-connect-birth-topic operational-behavior-host-application-connect-birth-qos
     operational-behavior-host-application-connect-birth-retained`,
    (record) => {
      for (const { topic, qos, retain } of states(record, true)) {
        expect({ topic, qos, retain }).toEqual({ topic: STATE, qos: 1, retain: true });
      }
    },
  ),
  ...host(
    `host-topic-phid-birth-payload host-topic-phid-birth-payload-timestamp payloads-state-birth-payload
     message-flow-phid-sparkplug-state-publish-payload message-flow-phid-sparkplug-state-publish-payload-timestamp
     operational-behavior-host-application-connect-birth-payload
     operational-behavior-host-application-connect-will-payload`,
    (record) => {
      for (const connect of connects(record)) {
        const own = states(record, true).filter(({ session }) => session === connect.session);
        for (const { bytes } of own) {
          expect(stateOf(bytes)).toEqual({ online: true, timestamp: willOf(connect).timestamp });
        }
      }
    },
  ),
  ...host(
    `host-topic-phid-death-required host-topic-phid-death-topic host-topic-phid-death-qos host-topic-phid-death-retain
     payloads-state-will-message payloads-state-will-message-qos payloads-state-will-message-retain
     operational-behavior-host-application-connect-will operational-behavior-host-application-connect-will-topic
     operational-behavior-host-application-connect-will-qos operational-behavior-host-application-connect-will-retained`,
    (record) => {
      for (const { packet } of record.wire.of('connect')) {
        expect(packet.will).toMatchObject({ topic: STATE, qos: 1, retain: true });
      }
    },
  ),
  ...host(
    `host-topic-phid-death-payload host-topic-phid-death-payload-connect
     host-topic-phid-death-payload-timestamp-connect payloads-state-will-message-payload
     operational-behavior-host-application-death-payload`,
    (record) => {
      const [first, second] = connects(record).map(willOf);
      expect([first?.online, second?.online]).toEqual([false, false]);
      expect(first?.timestamp).toBeGreaterThanOrEqual(record.stepMs.get('start') ?? 0);
      expect(second?.timestamp).toBeGreaterThanOrEqual(record.stepMs.get('cut') ?? 0);
    },
  ),
  ...host(
    `host-topic-phid-death-payload-timestamp-disconnect-clean host-topic-phid-death-payload-disconnect-clean
     host-topic-phid-death-payload-timestamp-disconnect-with-no-disconnect-packet
     host-topic-phid-death-payload-disconnect-with-no-disconnect-packet
     operational-behavior-host-application-death-topic operational-behavior-host-application-death-qos
     operational-behavior-host-application-death-retained
     operational-behavior-host-application-disconnect-intentional`,
    (record) => {
      const [death] = states(record, false);
      expect(death).toMatchObject({ topic: STATE, qos: 1, retain: true });
      expect(stateOf(death?.bytes ?? '').timestamp).toBeGreaterThanOrEqual(record.stepMs.get('stop') ?? 0);
      const packets = record.wire.sent.filter(({ step }) => step === 'stop').map(({ packet }) => packet);
      const farewell = packets.findIndex(({ cmd }) => cmd === 'disconnect');
      const told = packets.findIndex((packet) => packet.cmd === 'publish' && packet.topic === STATE);
      expect(told).toBeGreaterThanOrEqual(0);
      expect(farewell).toBeGreaterThan(told);
      expect(farewell).toBe(packets.length - 1);
    },
  ),
  ...host('message-flow-hid-sparkplug-state-message-delivered', (record) => {
    const [again] = states(record, true).filter(({ step }) => step === 'contradicted');
    const [first] = connects(record);
    expect(first && again && stateOf(again.bytes)).toEqual({
      online: true,
      timestamp: first && willOf(first).timestamp,
    });
  }),
];

/** What it asks edge nodes to do. */
const HOST_COMMAND_CHECKS: readonly Check<HostRecord>[] = [
  ...host(
    `topics-ncmd-topic operational-behavior-data-commands-ncmd-verb
     operational-behavior-data-commands-ncmd-rebirth-verb`,
    (record) => {
      for (const { topic } of of(record, 'NCMD')) expect(topic).toBe('spBv1.0/plant/NCMD/line');
    },
  ),
  ...host('topics-dcmd-topic operational-behavior-data-commands-dcmd-verb', (record) => {
    for (const { topic } of of(record, 'DCMD')) expect(topic).toBe('spBv1.0/plant/DCMD/line/press');
  }),
  ...host('topics-ncmd-mqtt payloads-ncmd-qos payloads-ncmd-retain', plain('NCMD')),
  ...host('topics-dcmd-mqtt payloads-dcmd-qos payloads-dcmd-retain', plain('DCMD')),
  ...host('topics-ncmd-timestamp payloads-ncmd-timestamp payloads-name-cmd-requirement', stamped('NCMD')),
  ...host('topics-dcmd-timestamp payloads-dcmd-timestamp', stamped('DCMD')),
  ...host('payloads-ncmd-seq', unstamped('NCMD')),
  ...host('payloads-dcmd-seq', unstamped('DCMD')),
  ...host(
    'topics-ncmd-payload operational-behavior-data-commands-ncmd-metric-name operational-behavior-data-commands-ncmd-metric-value',
    (record) => {
      const written = of(record, 'NCMD').find(({ step }) => step === 'write');
      expect(written?.message.metrics).toMatchObject([{ alias: 9, stringValue: 'manual' }]);
    },
  ),
  ...host(
    'topics-dcmd-payload operational-behavior-data-commands-dcmd-metric-name operational-behavior-data-commands-dcmd-metric-value',
    (record) => {
      // By name where the birth gave no alias, and in the type that the birth gave.
      const [limit, speed] = of(record, 'DCMD').map(({ message }) => message.metrics);
      expect(limit).toMatchObject([{ name: 'Limit', datatype: 3, intValue: 80 }]);
      expect(speed).toMatchObject([{ alias: 1, datatype: 10, doubleValue: 2.5 }]);
    },
  ),
  ...host(
    'operational-behavior-data-commands-ncmd-rebirth-name operational-behavior-data-commands-ncmd-rebirth-value',
    (record) => {
      for (const { message } of rebirths(record)) {
        expect(metricOf(message, 'Node Control/Rebirth')).toMatchObject({ booleanValue: true });
      }
    },
  ),
];

/** What it knows of edge nodes and devices. */
const HOST_VIEW_CHECKS: readonly Check<HostRecord>[] = [
  ...host(
    `operational-behavior-edge-node-termination-host-action-ndeath-node-offline
     operational-behavior-edge-node-termination-host-action-ndeath-devices-offline`,
    ({ seen }) => {
      for (const device of ['line', 'press']) {
        const downs = seen.states.filter((told) => told.device === device && !told.state.online);
        expect(downs.map(({ state }) => !state.online && state.why)).toContain('its edge node has died');
      }
    },
  ),
  ...host(
    `operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale
     operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale`,
    ({ seen, stepMs }) => {
      // At the host's own time: the death says 1970.
      for (const no of [SPEED, LIMIT, MODE]) {
        const last = seen.latest(no);
        expect(last).toMatchObject({ v: null, q: 'bad', why: 'disconnected' });
        expect(last?.tSource).toBeGreaterThanOrEqual(stepMs.get('node dead') ?? 0);
      }
    },
  ),
  ...host('operational-behavior-edge-node-termination-host-action-ddeath-devices-offline', ({ seen }) => {
    const press = seen.states.filter(({ device }) => device === 'press').map(({ state }) => state.online);
    expect(press).toEqual([true, false, true, false]);
    const line = seen.states.filter(({ device }) => device === 'line').map(({ state }) => state.online);
    expect(line).toEqual([true, false]);
  }),
  ...host('operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale', (record) => {
    for (const no of [SPEED, LIMIT]) {
      const dead = record.seen.of(no).find(({ q }) => q === 'bad');
      expect(dead).toMatchObject({ v: null, why: 'disconnected', tSource: record.deviceDeathMs });
    }
  }),
  ...host(
    'operational-behavior-host-reordering-param operational-behavior-host-reordering-start',
    ({ seen }) => {
      const values = seen.of(SPEED).map(({ v }) => v);
      expect(values.slice(0, 6)).toEqual([1, 2, 3, 4, 5, 7]);
    },
  ),
  ...host('operational-behavior-host-reordering-success', (record) => {
    expect(rebirths(record).map(({ step }) => step)).not.toContain('out of order');
  }),
  ...host('operational-behavior-host-reordering-rebirth', (record) => {
    expect(rebirths(record).filter(({ step }) => step === 'missing')).toHaveLength(1);
  }),
];

export const HOST_CHECKS: readonly Check<HostRecord>[] = [
  ...HOST_STATE_CHECKS,
  ...HOST_COMMAND_CHECKS,
  ...HOST_VIEW_CHECKS,
];
