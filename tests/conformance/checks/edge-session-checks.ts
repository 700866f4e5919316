import { expect } from 'vitest';
import type { EdgeRecord } from '../support/edge-record.ts';
import { metricOf, type Published } from '../support/published.ts';
import { readMessage, wireValue } from '../support/sparkplug-message.ts';
import { assertions, type Check } from './check.ts';

const edge = assertions<EdgeRecord>;
const of = (record: EdgeRecord, ...types: string[]): Published[] => {
  const found = record.published.filter(({ type }) => types.includes(type));
  expect(found, types.join()).not.toEqual([]);
  return found;
};
/** Each CONNECT with its will, and the number it gave the session. */
const connects = ({ wire }: EdgeRecord) => {
  const all = wire.of('connect').map(({ session, packet }) => {
    const message = readMessage(Buffer.from(packet.will?.payload ?? ''));
    return { session, packet, will: packet.will, message, bdSeq: wireValue(message.metrics[0] ?? {}) };
  });
  // One at the start, one after the cut, one after the restart; a version the broker refuses is asked for first.
  expect(all.length).toBeGreaterThanOrEqual(3);
  return all;
};
const accepted = (record: EdgeRecord) =>
  connects(record).filter(({ session }) => record.published.some((each) => each.session === session));
const bdSeqOf = ({ message }: Published) => {
  const metric = metricOf(message, 'bdSeq');
  return metric && wireValue(metric);
};
const rebirthOf = ({ message }: Published) => metricOf(message, 'Node Control/Rebirth');
const positions = (record: EdgeRecord, step: string, ...types: string[]) =>
  record.published.flatMap((each, at) => (each.step === step && types.includes(each.type) ? [at] : []));

/** How an edge node connects, is born and dies. */
export const EDGE_SESSION_CHECKS: readonly Check<EdgeRecord>[] = [
  ...edge(
    'principles-persistence-clean-session-311',
    (record) => {
      for (const { packet } of accepted(record))
        expect([packet.protocolVersion, packet.clean]).toEqual([4, true]);
    },
    { version: 4 },
  ),
  ...edge(
    'principles-persistence-clean-session-50',
    (record) => {
      for (const { packet } of accepted(record)) {
        expect([packet.protocolVersion, packet.clean]).toEqual([5, true]);
        expect(packet.properties?.sessionExpiryInterval ?? 0).toBe(0);
      }
    },
    { version: 5 },
  ),
  ...edge('principles-birth-certificates-order message-flow-edge-node-birth-publish-connect', (record) => {
    for (const { session } of accepted(record)) {
      const packets = record.wire.sent.filter((each) => each.session === session);
      expect(packets[0]?.packet.cmd).toBe('connect');
      expect(record.published.find((each) => each.session === session)?.type).toBe('NBIRTH');
    }
  }),
  ...edge(
    `message-flow-edge-node-birth-publish-will-message payloads-ndeath-will-message
     message-flow-edge-node-birth-publish-will-message-topic message-flow-edge-node-birth-publish-will-message-payload`,
    (record) => {
      for (const { will, message } of connects(record)) {
        expect(will?.topic).toBe('spBv1.0/plant/NDEATH/box');
        expect(message.metrics).toHaveLength(1);
      }
    },
  ),
  ...edge(
    'message-flow-edge-node-birth-publish-will-message-qos payloads-ndeath-will-message-qos',
    (record) => {
      for (const { will } of connects(record)) expect(will?.qos).toBe(1);
    },
  ),
  ...edge(
    'message-flow-edge-node-birth-publish-will-message-will-retained payloads-ndeath-will-message-retain',
    (record) => {
      for (const { will } of connects(record)) expect(will?.retain ?? false).toBe(false);
    },
  ),
  ...edge(
    'message-flow-edge-node-birth-publish-will-message-payload-bdSeq topics-nbirth-bdseq-increment',
    (record) => {
      // Over a cut and over a restart of the gateway; the turn from 255 to 0 is a unit test beside the code.
      expect(connects(record).map(({ bdSeq }) => bdSeq)).toEqual(connects(record).map((_, at) => at));
      for (const { message } of connects(record)) {
        expect(message.metrics[0]).toMatchObject({ name: 'bdSeq', datatype: 4 });
      }
    },
  ),
  ...edge(
    `topics-nbirth-bdseq-included topics-nbirth-bdseq-matching payloads-nbirth-bdseq payloads-nbirth-bdseq-repeat
     message-flow-edge-node-birth-publish-nbirth-payload-bdSeq payloads-ndeath-bdseq
     operational-behavior-data-commands-rebirth-action-3`,
    (record) => {
      for (const { session, bdSeq } of accepted(record)) {
        const own = of(record, 'NBIRTH', 'NDEATH').filter((each) => each.session === session);
        for (const each of own) expect(bdSeqOf(each)).toBe(bdSeq);
        for (const each of own) expect(metricOf(each.message, 'bdSeq')?.datatype).toBe(4);
      }
      expect(
        of(record, 'NBIRTH').filter(
          ({ session, step }) => session === of(record, 'NBIRTH')[0]?.session && step === 'rebirth',
        ),
      ).toHaveLength(1);
    },
  ),
  ...edge('topics-ndeath-payload', (record) => {
    const wills = record.heard.filter(({ type }) => type === 'NDEATH');
    expect(wills).not.toEqual([]);
    for (const { message } of [...wills, ...of(record, 'NDEATH')]) {
      expect(message.metrics.map(({ name }) => name)).toEqual(['bdSeq']);
    }
  }),
  ...edge(
    `topics-nbirth-rebirth-metric payloads-nbirth-rebirth-req operational-behavior-data-commands-rebirth-name
     operational-behavior-data-commands-rebirth-datatype operational-behavior-data-commands-rebirth-value`,
    (record) => {
      for (const birth of of(record, 'NBIRTH')) {
        expect(rebirthOf(birth)).toMatchObject({ datatype: 11, booleanValue: false });
      }
    },
  ),
  ...edge('operational-behavior-data-commands-rebirth-name-aliases', (record) => {
    for (const birth of of(record, 'NBIRTH')) expect(rebirthOf(birth)?.alias).toBeUndefined();
  }),
  ...edge('message-flow-edge-node-ncmd-subscribe message-flow-device-dcmd-subscribe', (record) => {
    for (const { session } of accepted(record)) {
      const subscriptions = record.wire
        .of('subscribe')
        .filter((each) => each.session === session)
        .flatMap(({ packet }) => packet.subscriptions.map(({ topic, qos }) => [topic, qos]));
      expect(subscriptions).toContainEqual(['spBv1.0/plant/NCMD/box', 1]);
      expect(subscriptions).toContainEqual(['spBv1.0/plant/DCMD/box/+', 1]);
    }
    expect(record.written).toEqual([{ device: 'pump', point: 'speed', value: 30 }]);
  }),
  ...edge(
    `message-flow-device-birth-publish-nbirth-wait payloads-dbirth-order payloads-ndata-order payloads-ddata-order
     operational-behavior-data-commands-rebirth-action-2`,
    (record) => {
      for (const step of ['rebirth', 'cut']) {
        const [nbirth] = positions(record, step, 'NBIRTH');
        const at = nbirth ?? -1;
        const sequence = record.published.slice(at, at + 3).map(({ type, device }) => [type, device]);
        expect(sequence).toEqual([
          ['NBIRTH', undefined],
          ['DBIRTH', 'pump'],
          ['DBIRTH', 'fan'],
        ]);
      }
    },
  ),
  ...edge('operational-behavior-data-commands-rebirth-action-1', (record) => {
    // A value changed while the second birth was due: it is told by the birth, or after it.
    const [nbirth = -1] = positions(record, 'second rebirth', 'NBIRTH');
    const data = positions(record, 'second rebirth', 'DDATA', 'NDATA');
    expect(nbirth).toBeGreaterThanOrEqual(0);
    expect(data.filter((at) => at < nbirth)).toEqual([]);
  }),
  ...edge('operational-behavior-device-ddeath', (record) => {
    const away = record.published
      .filter(({ step }) => step === 'device away')
      .map(({ type, device }) => [type, device]);
    expect(away).toContainEqual(['DDEATH', 'fan']);
    const later = record.published.filter(({ step }) => step === 'device back');
    expect(later.find(({ device }) => device === 'fan')?.type).toBe('DBIRTH');
  }),
  ...edge(
    `operational-behavior-edge-node-intentional-disconnect-ndeath
     operational-behavior-edge-node-intentional-disconnect-packet payloads-ndeath-will-message-publisher`,
    (record) => {
      for (const step of ['stop', 'end']) {
        const packets = record.wire.sent.filter((each) => each.step === step).map(({ packet }) => packet);
        const death = packets.findIndex(
          (packet) => packet.cmd === 'publish' && packet.topic.includes('/NDEATH/'),
        );
        const farewell = packets.findIndex(({ cmd }) => cmd === 'disconnect');
        expect(death).toBeGreaterThanOrEqual(0);
        expect(farewell).toBeGreaterThan(death);
      }
    },
  ),
  ...edge(
    'payloads-ndeath-will-message-publisher-disconnect-mqtt311',
    (record) => {
      for (const { session } of record.wire.of('disconnect')) {
        expect(record.published.findLast((each) => each.session === session)?.type).toBe('NDEATH');
      }
    },
    { version: 4 },
  ),
  ...edge(
    'payloads-ndeath-will-message-publisher-disconnect-mqtt50',
    (record) => {
      const farewells = record.wire.of('disconnect');
      expect(farewells).toHaveLength(2);
      for (const { packet } of farewells) expect(packet.reasonCode).toBe(4);
    },
    { version: 5 },
  ),
];
