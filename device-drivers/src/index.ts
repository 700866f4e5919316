import type { DriverName } from '@millwright/protocol';
import type { DriverModule } from './driver.ts';

export type * from './driver.ts';

/** Loads a protocol's driver on first use: a gateway without OPC UA never pays for it. */
export const DRIVER_MODULES: { readonly [D in DriverName]: () => Promise<DriverModule<D>> } = {
  modbus: async () => (await import('./modbus/index.ts')).modbusDriver,
  mqtt: async () => (await import('./mqtt/index.ts')).mqttDriver,
  opcua: async () => (await import('./opcua/index.ts')).opcuaDriver,
  sparkplug: async () => (await import('./sparkplug/index.ts')).sparkplugDriver,
  package: async () => (await import('./package/index.ts')).packageDriver,
  host: async () => (await import('./host/index.ts')).hostDriver,
};
