import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { connectAsync } from 'mqtt';
import { describe, it, vi } from 'vitest';
import { MqttClientLink } from './client-link.ts';
import { describeMqttLink, type LinkPeer } from './link-contract.ts';

const MOSQUITTO = '/usr/sbin/mosquitto';
const installed = await access(MOSQUITTO).then(
  () => true,
  () => false,
);

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function mosquittoPeer(): Promise<LinkPeer> {
  const folder = await mkdtemp(join(tmpdir(), 'millwright-mosquitto-'));
  const port = await freePort();
  const config = join(folder, 'mosquitto.conf');
  await writeFile(config, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
  const url = `mqtt://127.0.0.1:${port}`;
  const received: string[] = [];
  let broker: ChildProcess | undefined;
  let outside: Awaited<ReturnType<typeof connectAsync>> | undefined;
  const start = async () => {
    broker = spawn(MOSQUITTO, ['-c', config], { stdio: 'ignore' });
    outside = await vi.waitFor(() => connectAsync(url, { reconnectPeriod: 0 }), {
      timeout: 5000,
      interval: 50,
    });
    outside.on('message', (topic, payload, packet) => {
      if (!packet.retain) received.push(`${topic}=${payload.toString()}`);
    });
    await outside.subscribeAsync('#', { qos: 1 });
  };
  const stop = async () => {
    outside?.end(true);
    if (broker?.exitCode !== null || broker.signalCode !== null) return;
    broker.kill('SIGKILL');
    await once(broker, 'exit');
  };
  await start();
  return {
    link: new MqttClientLink(
      { clock: systemClock, logger: new MemoryLogger() },
      { url, clientId: 'under-test' },
    ),
    publish: async (topic, payload, options) => {
      await outside?.publishAsync(topic, Buffer.from(payload), { qos: 1, retain: options?.retain ?? false });
      const own = received.lastIndexOf(`${topic}=${Buffer.from(payload).toString()}`);
      if (own >= 0) received.splice(own, 1);
    },
    received: () => received,
    cut: stop,
    restore: start,
    dispose: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

if (installed) {
  describeMqttLink({ name: 'client of mosquitto, MQTT 5', breaks: true, createPeer: mosquittoPeer });
} else {
  describe('MQTT link contract: client of mosquitto, MQTT 5', () => {
    it.skip(`needs ${MOSQUITTO}, which is not installed here`, () => undefined);
  });
}
