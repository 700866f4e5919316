import { expect } from 'vitest';
import type { PrimaryHostRecord } from '../support/primary-host-record.ts';
import { assertions, type Check } from './check.ts';

const node = assertions<PrimaryHostRecord>;
const types = ({ published }: PrimaryHostRecord, step: string, server: 'first' | 'second' = 'first') =>
  published.filter((each) => each.step === step && each.server === server).map(({ type }) => type);

/** What an edge node does about its primary host. */
export const PRIMARY_HOST_CHECKS: readonly Check<PrimaryHostRecord>[] = [
  ...node(
    `message-flow-edge-node-birth-publish-phid-wait operational-behavior-edge-node-birth-sequence-wait
     message-flow-edge-node-birth-publish-phid-wait-id message-flow-edge-node-birth-publish-phid-wait-online`,
    (record) => {
      // Another host was online, and this one sent what is no STATE: nothing came of it.
      expect(types(record, 'waiting')).toEqual([]);
      expect(types(record, 'online').slice(0, 2)).toEqual(['NBIRTH', 'DBIRTH']);
    },
  ),
  ...node('operational-behavior-primary-application-state-with-multiple-servers-state-subs', (record) => {
    for (const wire of [record.first, record.second]) {
      expect(wire.of('subscribe')).not.toEqual([]);
      for (const { packet } of wire.of('subscribe')) {
        expect(packet.subscriptions.map(({ topic }) => topic)).toContain('spBv1.0/STATE/scada');
      }
    }
  }),
  ...node('message-flow-edge-node-birth-publish-phid-wait-timestamp', (record) => {
    // 500 was the first that the second server told: it was the latest; 550 after 600 was not.
    expect(types(record, 'online at the second', 'second')).toContain('NBIRTH');
    expect(types(record, 'old online', 'second')).not.toContain('NBIRTH');
    expect(types(record, 'online again', 'second')).toContain('NBIRTH');
  }),
  ...node('operational-behavior-edge-node-termination-host-offline-timestamp', (record) => {
    expect(types(record, 'old offline')).toEqual(['DDATA']);
  }),
  ...node(
    `message-flow-edge-node-birth-publish-phid-offline operational-behavior-edge-node-termination-host-offline`,
    (record) => {
      expect(types(record, 'offline')).toEqual(['NDEATH']);
      expect(record.first.of('disconnect').map(({ step }) => step)).toContain('offline');
    },
  ),
  ...node(
    `operational-behavior-edge-node-termination-host-offline-reconnect
     operational-behavior-primary-application-state-with-multiple-servers-walk`,
    (record) => {
      expect(record.second.of('connect').map(({ step }) => step)).toContain('offline');
      expect(record.first.of('connect').map(({ step }) => step)).toContain('offline everywhere');
    },
  ),
  ...node('operational-behavior-primary-application-state-with-multiple-servers-single-server', ({ log }) => {
    let open = 0;
    for (const { packet } of log) {
      if (packet.cmd === 'subscribe') open++;
      if (packet.cmd === 'disconnect') open--;
      expect(open).toBeLessThanOrEqual(1);
    }
  }),
];
