import { SparkplugConfig } from '@millwright/gateway/testing';
import { expect } from 'vitest';
import type { EdgeRecord } from '../support/edge-record.ts';
import { metricOf, type Published, propertyOf } from '../support/published.ts';
import { wireValue } from '../support/sparkplug-message.ts';
import { assertions, type Check } from './check.ts';

const edge = assertions<EdgeRecord>;
const DAY_MS = 24 * 3600 * 1000;
const BASIC_TYPES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

const of = (record: EdgeRecord, ...types: string[]): Published[] => {
  const found = record.published.filter(({ type }) => types.includes(type));
  expect(found, types.join()).not.toEqual([]);
  return found;
};
const births = (record: EdgeRecord) => of(record, 'NBIRTH', 'DBIRTH');
const data = (record: EdgeRecord) => of(record, 'NDATA', 'DDATA');
const withSeq = (record: EdgeRecord) => of(record, 'NBIRTH', 'DBIRTH', 'NDATA', 'DDATA', 'DDEATH');
const topics = (type: string, pattern: RegExp) => (record: EdgeRecord) => {
  for (const { topic } of of(record, type)) expect(topic).toMatch(pattern);
};
const unretained =
  (...types: string[]) =>
  (record: EdgeRecord) => {
    for (const { qos, retain } of of(record, ...types))
      expect({ qos, retain }).toEqual({ qos: 0, retain: false });
    expect(record.retained).toEqual([]);
  };
const stamped =
  (...types: string[]) =>
  (record: EdgeRecord) => {
    for (const { message } of of(record, ...types)) {
      expect(Math.abs((message.timestamp ?? 0) - Date.now())).toBeLessThan(DAY_MS);
    }
  };
/** Each message is numbered one above the one before it in its session, from 0 at an NBIRTH, 0 after 255. */
const counted = (record: EdgeRecord) => {
  const all = withSeq(record);
  for (const [at, { type, message, session }] of all.entries()) {
    const before = all[at - 1];
    const isFirst = type === 'NBIRTH' || before?.session !== session;
    expect(message.seq).toBe(isFirst ? 0 : ((before?.message.seq ?? 0) + 1) % 256);
  }
  expect(new Set(all.map(({ message }) => message.seq)).size).toBe(256);
};
const refused = (field: 'group' | 'node') => () => {
  for (const id of ['a/b', 'a+b', '#', '', 'a\u0000b', 'a\ud800']) {
    expect(SparkplugConfig.safeParse({ group: 'plant', [field]: id }).success, id).toBe(false);
  }
  expect(SparkplugConfig.safeParse({ group: 'plant', [field]: 'Halle 3 – Süd' }).success).toBe(true);
};

/** What stands in the messages of an edge node. */
export const EDGE_MESSAGE_CHECKS: readonly Check<EdgeRecord>[] = [
  ...edge('topic-structure topic-structure-namespace-a', ({ published }) => {
    for (const { topic } of published) {
      expect(topic).toMatch(/^spBv1\.0\/[^+#/]+\/[ND](BIRTH|DEATH|DATA)\/[^+#/]+(\/[^+#/]+)?$/);
    }
  }),
  ...edge(
    'intro-group-id-string intro-group-id-chars topic-structure-namespace-valid-group-id',
    refused('group'),
  ),
  ...edge(
    'intro-edge-node-id-string intro-edge-node-id-chars topic-structure-namespace-valid-edge-node-id',
    refused('node'),
  ),
  ...edge(
    'intro-device-id-string intro-device-id-chars topic-structure-namespace-valid-device-id case-sensitivity-sparkplug-ids',
    (record) => {
      // A device is called as in the site file: lower-case letters, digits, hyphens.
      for (const { device } of of(record, 'DBIRTH', 'DDATA', 'DDEATH'))
        expect(device).toMatch(/^[a-z0-9-]+$/);
    },
  ),
  ...edge('topic-structure-namespace-unique-device-id', (record) => {
    const devices = of(record, 'DBIRTH').filter(({ step }) => step === 'rebirth');
    expect(devices.map(({ device }) => device).sort()).toEqual(['fan', 'pump']);
  }),
  ...edge('topic-structure-namespace-device-id-associated-message-types', (record) => {
    for (const { topic } of of(record, 'DBIRTH', 'DDATA', 'DDEATH')) expect(topic.split('/')).toHaveLength(5);
  }),
  ...edge('topic-structure-namespace-device-id-non-associated-message-types', (record) => {
    for (const { topic } of of(record, 'NBIRTH', 'NDATA', 'NDEATH')) expect(topic.split('/')).toHaveLength(4);
  }),
  ...edge(
    'topics-nbirth-topic message-flow-edge-node-birth-publish-nbirth-topic',
    topics('NBIRTH', /^spBv1\.0\/plant\/NBIRTH\/box$/),
  ),
  ...edge('topics-ndata-topic', topics('NDATA', /^spBv1\.0\/plant\/NDATA\/box$/)),
  ...edge('topics-ndeath-topic', topics('NDEATH', /^spBv1\.0\/plant\/NDEATH\/box$/)),
  ...edge(
    `topics-dbirth-topic message-flow-device-birth-publish-dbirth-topic
     message-flow-device-birth-publish-dbirth-match-edge-node-topic`,
    topics('DBIRTH', /^spBv1\.0\/plant\/DBIRTH\/box\/(pump|fan)$/),
  ),
  ...edge('topics-ddata-topic', topics('DDATA', /^spBv1\.0\/plant\/DDATA\/box\/(pump|fan)$/)),
  ...edge('topics-ddeath-topic', topics('DDEATH', /^spBv1\.0\/plant\/DDEATH\/box\/(pump|fan)$/)),
  ...edge(
    `topics-nbirth-mqtt payloads-nbirth-qos payloads-nbirth-retain
     message-flow-edge-node-birth-publish-nbirth-qos message-flow-edge-node-birth-publish-nbirth-retained`,
    unretained('NBIRTH'),
  ),
  ...edge(
    `topics-dbirth-mqtt payloads-dbirth-qos payloads-dbirth-retain
     message-flow-device-birth-publish-dbirth-qos message-flow-device-birth-publish-dbirth-retained`,
    unretained('DBIRTH'),
  ),
  ...edge('topics-ndata-mqtt payloads-ndata-qos payloads-ndata-retain', unretained('NDATA')),
  ...edge('topics-ddata-mqtt payloads-ddata-qos payloads-ddata-retain', unretained('DDATA')),
  ...edge('topics-ddeath-mqtt', unretained('DDEATH')),
  ...edge('topics-nbirth-timestamp payloads-nbirth-timestamp', stamped('NBIRTH')),
  ...edge('topics-dbirth-timestamp payloads-dbirth-timestamp', stamped('DBIRTH')),
  ...edge('topics-ndata-timestamp payloads-ndata-timestamp', stamped('NDATA')),
  ...edge('topics-ddata-timestamp payloads-ddata-timestamp', stamped('DDATA')),
  ...edge('payloads-ddeath-timestamp', stamped('DDEATH')),
  ...edge('payloads-timestamp-in-UTC', stamped('NBIRTH', 'DBIRTH', 'NDATA', 'DDATA', 'DDEATH', 'NDEATH')),
  ...edge(
    `topics-nbirth-seq-num payloads-nbirth-seq payloads-sequence-num-req-nbirth payloads-sequence-num-zero-nbirth
     message-flow-edge-node-birth-publish-nbirth-payload-seq`,
    (record) => {
      for (const { message } of of(record, 'NBIRTH')) expect(message.seq).toBe(0);
    },
  ),
  ...edge(
    `payloads-sequence-num-always-included payloads-dbirth-seq payloads-ndata-seq payloads-ddata-seq payloads-ddeath-seq
     payloads-ddeath-seq-number`,
    (record) => {
      for (const { message } of withSeq(record)) expect(message.seq).toBeTypeOf('number');
    },
  ),
  ...edge(
    `payloads-sequence-num-incrementing topics-ndata-seq-num topics-dbirth-seq topics-ddata-seq-num topics-ddeath-seq-num
     payloads-dbirth-seq-inc payloads-ndata-seq-inc payloads-ddata-seq-inc payloads-ddeath-seq-inc
     message-flow-device-birth-publish-dbirth-payload-seq`,
    counted,
  ),
  ...edge('topics-ndeath-seq payloads-ndeath-seq', (record) => {
    for (const { message } of of(record, 'NDEATH')) expect(message.seq).toBeUndefined();
  }),
  ...edge(
    'message-flow-edge-node-birth-publish-nbirth-payload message-flow-device-birth-publish-dbirth-payload',
    (record) => {
      // Decoded by the reference implementation: bytes of another kind would not have come this far.
      for (const { message } of births(record)) expect(message.metrics).not.toEqual([]);
    },
  ),
  ...edge('topics-nbirth-metric-reqs operational-behavior-data-publish-nbirth', (record) => {
    const aliases = of(record, 'NBIRTH').map(({ message }) => message.metrics.map(({ alias }) => alias));
    for (const { message } of of(record, 'NDATA')) {
      for (const { alias } of message.metrics) for (const known of aliases) expect(known).toContain(alias);
    }
  }),
  ...edge('topics-dbirth-metric-reqs operational-behavior-data-publish-dbirth', (record) => {
    let known = new Map<string | undefined, (number | undefined)[]>();
    for (const { type, device, message } of record.published) {
      if (type === 'NBIRTH') known = new Map();
      const aliases = message.metrics.map(({ alias }) => alias);
      if (type === 'DBIRTH') known.set(device, aliases);
      if (type === 'DDATA') for (const alias of aliases) expect(known.get(device)).toContain(alias);
    }
  }),
  ...edge('topics-nbirth-metrics topics-dbirth-metrics payloads-metric-datatype-req', (record) => {
    for (const metric of births(record).flatMap(({ message }) => message.metrics)) {
      expect(metric.name).not.toBe('');
      expect(metric.datatype).toBeTypeOf('number');
      expect(wireValue(metric) === undefined).toBe(metric.isNull === true);
    }
  }),
  ...edge(
    'operational-behavior-data-publish-nbirth-values operational-behavior-data-publish-dbirth-values',
    (record) => {
      const [first, ...later] = of(record, 'DBIRTH').filter(({ device }) => device === 'pump');
      const early = first && metricOf(first.message, 'speed');
      expect([early?.isNull, early && wireValue(early)]).toEqual([true, undefined]);
      const reborn = later.find(({ step }) => step === 'rebirth');
      const note = reborn && metricOf(reborn.message, 'note');
      expect([note?.isNull, note?.stringValue]).toEqual([undefined, 'hello']);
    },
  ),
  ...edge(
    'operational-behavior-data-publish-nbirth-order operational-behavior-data-publish-dbirth-order',
    (record) => {
      for (const { message } of [...births(record), ...data(record)]) {
        const times = message.metrics.map(({ timestamp }) => timestamp ?? 0);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
      }
      const several = data(record).filter(({ step, device }) => step === 'several' && device === 'pump');
      expect(several.flatMap(({ message }) => message.metrics).length).toBeGreaterThanOrEqual(3);
    },
  ),
  ...edge(
    'principles-rbe-recommended topics-ddata-payload operational-behavior-data-publish-dbirth-change',
    (record) => {
      const unchanged = of(record, 'DDATA').filter(({ step }) => step === 'unchanged');
      const aliases = unchanged.flatMap(({ message }) => message.metrics.map(({ alias }) => alias));
      expect(aliases).toHaveLength(1);
      expect(aliases).not.toContain(record.speedAlias);
    },
  ),
  ...edge('topics-ndata-payload operational-behavior-data-publish-nbirth-change', (record) => {
    // The number of devices that are online, when it has changed and not else.
    for (const { step } of of(record, 'NDATA')) {
      expect(['start', 'second device', 'device away', 'device back', 'described anew']).toContain(step);
    }
  }),
  ...edge('payloads-name-requirement', (record) => {
    for (const { message } of record.published) {
      for (const { name, alias } of message.metrics) expect(name ?? alias).toBeDefined();
    }
  }),
  ...edge('payloads-alias-uniqueness', (record) => {
    const reborn = births(record).filter(({ step }) => step === 'rebirth');
    const aliases = reborn.flatMap(({ message }) => message.metrics.flatMap(({ alias }) => alias ?? []));
    expect(aliases.length).toBeGreaterThan(5);
    expect(new Set(aliases).size).toBe(aliases.length);
  }),
  ...edge('payloads-alias-birth-requirement', (record) => {
    const byName = ['bdSeq', 'Node Control/Rebirth'];
    for (const { name, alias } of births(record).flatMap(({ message }) => message.metrics)) {
      expect(name).toBeDefined();
      expect(alias === undefined).toBe(byName.includes(name ?? ''));
    }
  }),
  ...edge('payloads-alias-data-cmd-requirement', (record) => {
    for (const { name, alias } of data(record).flatMap(({ message }) => message.metrics)) {
      expect([name, typeof alias]).toEqual([undefined, 'number']);
    }
  }),
  ...edge('payloads-name-birth-data-requirement payloads-metric-timestamp-in-UTC', (record) => {
    for (const { timestamp } of [...births(record), ...data(record)].flatMap(
      ({ message }) => message.metrics,
    )) {
      expect(Math.abs((timestamp ?? 0) - Date.now())).toBeLessThan(DAY_MS);
    }
  }),
  ...edge('payloads-metric-datatype-value-type payloads-metric-datatype-value', (record) => {
    for (const { datatype } of births(record).flatMap(({ message }) => message.metrics)) {
      expect(BASIC_TYPES).toContain(datatype);
    }
  }),
  ...edge('payloads-propertyset-keys-array-size payloads-propertyset-values-array-size', (record) => {
    const sets = births(record).flatMap(({ message }) =>
      message.metrics.flatMap(({ properties }) => properties ?? []),
    );
    expect(sets.length).toBeGreaterThan(5);
    for (const { keys, values } of sets) expect(values).toHaveLength(keys.length);
  }),
  ...edge(
    `payloads-metric-propertyvalue-type-type payloads-metric-propertyvalue-type-value
     payloads-metric-propertyvalue-type-req`,
    (record) => {
      const values = births(record).flatMap(({ message }) =>
        message.metrics.flatMap(({ properties }) => properties?.values ?? []),
      );
      for (const { type } of values) expect(BASIC_TYPES).toContain(type);
    },
  ),
  ...edge('payloads-propertyset-quality-value-type payloads-propertyset-quality-value-value', (record) => {
    const metrics = [...births(record), ...data(record)].flatMap(({ message }) => message.metrics);
    const qualities = metrics.flatMap((metric) => propertyOf(metric, 'Quality') ?? []);
    for (const { type } of qualities) expect(type).toBe(3);
    expect(new Set(qualities.map(({ intValue }) => intValue))).toEqual(new Set([0, 192, 500]));
  }),
];
