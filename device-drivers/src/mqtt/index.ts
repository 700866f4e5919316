import type { DriverModule } from '../driver.ts';
import { MqttDriver } from './mqtt-driver.ts';
import { planOf } from './plan-of.ts';

/** Devices that publish on an MQTT broker: the gateway's own, or another one. A line is a broker and a login. */
export const mqttDriver: DriverModule<'mqtt'> = {
  driver: 'mqtt',
  lineOf: ({ connect: { broker, username = '', clientId, session, tls } }) => {
    if (broker === 'local') return 'local';
    const own =
      clientId === undefined && tls === undefined ? '' : ` ${JSON.stringify({ clientId, session, tls })}`;
    return `${username}@${broker}${own}`;
  },
  plan: planOf,
  create: (devices, deps) => new MqttDriver(devices, deps),
};
