import type { PointId, Value } from '@millwright/protocol';
import { afterAll, beforeAll } from 'vitest';
import { type DriverPeer, describeDriver, Recorder } from '../testing/index.ts';
import { opcuaDriver } from './index.ts';
import { Cable, OpcuaTestServer, opcuaDevice } from './test-peer.ts';
import { BuiltIn } from './values.ts';

const points = {
  flow: { node: 'ns=1;s=flow', as: 'float64' },
  setpoint: { node: 'ns=1;s=setpoint', as: 'float64', write: {} },
  tag: { node: 'ns=1;s=tag', as: 'text' },
  count: { node: 'ns=1;s=count', as: 'int64' },
};
const quick = (config: object) => ({ ...config, subscribe: { publish: '50ms', queue: 5 } });
const device = (port: number) =>
  opcuaDevice({
    id: 'press',
    connect: { url: `opc.tcp://127.0.0.1:${port}`, timeout: '5s' },
    points: Object.fromEntries(Object.entries(points).map(([id, point]) => [id, quick(point)])),
  });

let server: OpcuaTestServer;
let warm: ReturnType<typeof opcuaDriver.create>;

beforeAll(async () => {
  const variables = {
    flow: { dataType: BuiltIn.Double, value: 0 },
    setpoint: { dataType: BuiltIn.Double, value: 0 },
    tag: { dataType: BuiltIn.String, value: 'P-1' },
    count: { dataType: BuiltIn.Int64, value: [0, 7] },
  };
  server = await OpcuaTestServer.create(variables, ['tag']);
  // The worker is started once for the file instead of once for each test.
  warm = opcuaDriver.create([device(server.port)], new Recorder().deps());
  await warm.start();
}, 60_000);

afterAll(async () => {
  await warm.stop();
  await server.dispose();
}, 60_000);

describeDriver({
  module: opcuaDriver,
  points: { number: 'flow' as PointId, writable: 'setpoint' as PointId, spoilable: 'tag' as PointId },
  values: [12.5, -3.25],
  unplugs: true,
  reads: true,
  recoveryMs: 20_000,
  createPeer: async (): Promise<DriverPeer<'opcua'>> => {
    const cable = new Cable(() => server.port);
    await cable.plugIn();
    await cable.pull();
    server.set('tag', { dataType: BuiltIn.String, value: 'P-1' });
    const set = async (point: PointId, value: Value) => {
      server.set(point, { dataType: point === 'tag' ? BuiltIn.String : BuiltIn.Double, value });
    };
    return {
      device: device(cable.port),
      start: () => cable.plugIn(),
      stop: () => cable.pull(),
      set,
      get: async (point) => server.get(point) as Value,
      spoil: async (point) => server.set(point, { dataType: BuiltIn.Double, value: 1 }),
      connections: () => cable.connections(),
      dispose: () => cable.pull(),
    };
  },
});
