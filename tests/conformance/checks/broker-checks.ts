import { expect } from 'vitest';
import type { BrokerRecord } from '../support/broker-record.ts';
import { assertions, type Check } from './check.ts';

const broker = assertions<BrokerRecord>;

/** What Sparkplug needs of an MQTT server. */
export const BROKER_CHECKS: readonly Check<BrokerRecord>[] = [
  ...broker('conformance-mqtt-qos0', ({ live }) => {
    expect(live).toContainEqual({ topic: 'plain/0', payload: 'a', qos: 0, retain: false });
  }),
  ...broker('conformance-mqtt-qos1', ({ live }) => {
    expect(live).toContainEqual({ topic: 'plain/1', payload: 'b', qos: 1, retain: false });
  }),
  ...broker('conformance-mqtt-will-messages', ({ live, later }) => {
    expect(live).toContainEqual({ topic: 'will', payload: 'gone', qos: 1, retain: false });
    expect(later).toContainEqual({ topic: 'kept/will', payload: 'gone', qos: 1, retain: true });
    expect(later.map(({ topic }) => topic)).not.toContain('will');
  }),
  ...broker('conformance-mqtt-retained', ({ later }) => {
    const retained = later.filter(({ retain }) => retain).map(({ topic, payload }) => [topic, payload]);
    expect(retained.sort()).toEqual([
      ['kept/1', 'new'],
      ['kept/will', 'gone'],
    ]);
  }),
];
