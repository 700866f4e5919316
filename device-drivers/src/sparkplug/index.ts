import type { DriverModule } from '../driver.ts';
import { planOf } from './plan-of.ts';
import { SparkplugDriver } from './sparkplug-driver.ts';

export { DataType, type DataTypeName } from './datatypes.ts';
export { LocalServer } from './local-server.ts';
export * from './payload.ts';
export type { Session, SparkplugServer, Will } from './session.ts';
export { SessionLoop, type SessionUser } from './session-loop.ts';
export { encodeState, type HostState, parseState } from './state.ts';
export * from './topic.ts';

/** Edge nodes and devices that speak Sparkplug B at a broker. A line is a host application: a broker, a login, a name. */
export const sparkplugDriver: DriverModule<'sparkplug'> = {
  driver: 'sparkplug',
  lineOf: ({ connect: { broker, username, host } }) => `${username ?? ''}@${broker} as ${host ?? ''}`,
  create: (devices, deps) => new SparkplugDriver(devices, deps),
  plan: planOf,
};
