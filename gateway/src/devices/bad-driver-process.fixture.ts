import { UnavailableError } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { Catalog } from '../points/catalog.ts';
import { PointsTable } from '../points/points-table.ts';
import { badModule, FAULTS } from './bad-driver.fixture.ts';
import { DeviceSupervisor } from './device-supervisor.ts';
import { blameDriver } from './driver-guard.ts';
import type { DriverModules } from './line-factory.ts';
import { hostDevice } from './memory-driver.fixture.ts';

/** A gateway's devices in a process of their own, one of them bad: its errors reach the process's own handlers. */
function endUnlessADriver(error: unknown): void {
  if (!blameDriver(error)) throw error;
}
process.on('uncaughtException', endUnlessADriver);
process.on('unhandledRejection', endUnlessADriver);

const clock = systemClock;
const logger = new MemoryLogger();
const points = new PointsTable({ clock, logger, all: [], reported: [] });
const catalog = new Catalog({ logger, stores: [await new MemoryKvFile().open()] });
await catalog.load();
const how = FAULTS.find((fault) => fault === process.argv[2]);
const host = async () => badModule(() => how, console.log);
const none = async (): Promise<never> => {
  throw new UnavailableError('NOT_INSTALLED', 'not here');
};
const modules = new Proxy({ host } as DriverModules, {
  get: (known, name) => (name === 'host' ? known.host : none),
});
const supervisor = new DeviceSupervisor({ clock, logger, catalog, points, modules, random: () => 0 });
await supervisor.start();
await supervisor.apply([hostDevice('bad'), hostDevice('good')]);

clock.after(3000, () => {
  const no = [...(supervisor.devices().get(hostDevice('good').id)?.numbers.values() ?? [])][0];
  const sample = no === undefined ? undefined : points.sample(no);
  if (sample?.q === 'good' && clock.wallMs() - sample.tGateway < 2500) console.log('good goes on');
  throw new UnavailableError('TEST', 'not of a driver');
});
