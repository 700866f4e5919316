import { afterAll, beforeAll, describe, it } from 'vitest';
import { EDGE_CHECKS } from './checks/edge-checks.ts';
import { BROKERS, type TestBroker } from './support/brokers.ts';
import { type EdgeRecord, recordEdgeNode } from './support/edge-record.ts';

describe.each(BROKERS)('the gateway as a Sparkplug edge node at $name', ({ open }) => {
  let broker: TestBroker;
  let record: EdgeRecord;

  beforeAll(async () => {
    broker = await open();
    record = await recordEdgeNode(broker);
  });
  afterAll(() => broker.stop());

  it.for(EDGE_CHECKS)('$id', async ({ check, version }, { skip }) => {
    if (version !== undefined && version !== record.version)
      skip('this broker speaks the other MQTT version');
    await check(record);
  });
});
