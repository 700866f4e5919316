import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { DenoKvFile } from '../journal/kv/deno-kv.ts';
import { MqttBroker } from './broker.ts';
import { BrokerConfig } from './config.ts';
import { BrokerCredentials } from './credentials.ts';

/** An open broker in a process of its own, to be killed; prints its port. */
const folder = process.argv[2] ?? '.';
const credentials = new BrokerCredentials({ clock: systemClock }, { path: join(folder, 'credentials.json') });
const file = new DenoKvFile(join(folder, 'broker.kv'));
const broker = new MqttBroker(
  { clock: systemClock, logger: new MemoryLogger(), credentials, file },
  { ...BrokerConfig.parse({ port: 0 }), dev: true, stateDir: folder, version: '0.0.0' },
);
await broker.start();
process.stdout.write(`${broker.address?.split(':').at(-1)}\n`);
