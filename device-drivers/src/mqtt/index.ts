import type { DriverModule } from '../driver.ts';
import { MqttDriver } from './mqtt-driver.ts';

/** Devices that publish on an MQTT broker: the gateway's own, or another one. A line is a broker and a login. */
export const mqttDriver: DriverModule<'mqtt'> = {
  driver: 'mqtt',
  lineOf: ({ connect }) =>
    connect.broker === 'local' ? 'local' : `${connect.username ?? ''}@${connect.broker}`,
  create: (devices, deps) => new MqttDriver(devices, deps),
};
