import { afterAll, beforeAll, describe, it } from 'vitest';
import { HOST_CHECKS } from './checks/host-checks.ts';
import { BROKERS, type TestBroker } from './support/brokers.ts';
import { type HostRecord, recordHost } from './support/host-record.ts';

describe.each(BROKERS)('the gateway as a Sparkplug host application at $name', ({ open }) => {
  let broker: TestBroker;
  let record: HostRecord;

  beforeAll(async () => {
    broker = await open();
    record = await recordHost(broker);
  });
  afterAll(() => broker.stop());

  it.for(HOST_CHECKS)('$id', async ({ check, version }, { skip }) => {
    if (version !== undefined && version !== record.version)
      skip('this broker speaks the other MQTT version');
    await check(record);
  });
});
