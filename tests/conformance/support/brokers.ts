import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { vi } from 'vitest';
import { startGateway } from './gateway-rig.ts';

const MOSQUITTO = '/usr/sbin/mosquitto';

export interface TestBroker {
  readonly name: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Without mosquitto only the gateway's own broker is tried. */
export const BROKERS: readonly { readonly name: string; readonly open: () => Promise<TestBroker> }[] = [
  { name: "a gateway's own broker", open: ownBroker },
  ...(existsSync(MOSQUITTO) ? [{ name: 'mosquitto', open: mosquitto }] : []),
];

/** Two of different makes, where there are. */
export async function openBrokers(): Promise<readonly [TestBroker, TestBroker]> {
  return [await ownBroker(), await (existsSync(MOSQUITTO) ? mosquitto() : ownBroker())];
}

async function mosquitto(): Promise<TestBroker> {
  const folder = await mkdtemp(join(tmpdir(), 'millwright-mosquitto-'));
  const port = await freePort();
  const config = join(folder, 'mosquitto.conf');
  await writeFile(config, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
  const process: ChildProcess = spawn(MOSQUITTO, ['-c', config], { stdio: 'ignore' });
  const probe = await vi.waitFor(() => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }), {
    timeout: 30_000,
    interval: 100,
  });
  await probe.endAsync(true);
  return {
    name: 'mosquitto',
    port,
    stop: async () => {
      if (process.exitCode === null && process.signalCode === null) {
        process.kill('SIGKILL');
        await once(process, 'exit');
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function ownBroker(): Promise<TestBroker> {
  const gateway = await startGateway({ name: 'broker-box', site: '[]\n' });
  return { name: 'own', port: Number(gateway.mqtt.split(':').at(-1)), stop: () => gateway.stop() };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
