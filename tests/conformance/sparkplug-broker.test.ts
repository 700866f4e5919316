import { afterAll, beforeAll, describe, it } from 'vitest';
import { BROKER_CHECKS } from './checks/broker-checks.ts';
import { type BrokerRecord, recordBroker } from './support/broker-record.ts';
import { BROKERS, type TestBroker } from './support/brokers.ts';

describe.each(BROKERS)('$name as the MQTT server of Sparkplug', ({ open }) => {
  let broker: TestBroker;
  let record: BrokerRecord;

  beforeAll(async () => {
    broker = await open();
    record = await recordBroker(broker);
  });
  afterAll(() => broker.stop());

  it.for(BROKER_CHECKS)('$id', async ({ check }) => {
    await check(record);
  });
});
