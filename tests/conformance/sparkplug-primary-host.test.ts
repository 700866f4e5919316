import { afterAll, beforeAll, describe, it } from 'vitest';
import { PRIMARY_HOST_CHECKS } from './checks/primary-host-checks.ts';
import { openBrokers, type TestBroker } from './support/brokers.ts';
import { type PrimaryHostRecord, recordPrimaryHost } from './support/primary-host-record.ts';

describe('the gateway as a Sparkplug edge node with a primary host and two servers', () => {
  let brokers: readonly [TestBroker, TestBroker];
  let record: PrimaryHostRecord;

  beforeAll(async () => {
    brokers = await openBrokers();
    record = await recordPrimaryHost(brokers);
  });
  afterAll(async () => {
    for (const broker of brokers) await broker.stop();
  });

  it.for(PRIMARY_HOST_CHECKS)('$id', async ({ check }) => {
    await check(record);
  });
});
