import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InlineDevice, PointId, PointNo } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { connectAsync } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Driver } from '../driver.ts';
import { MqttClientLink } from './client-link.ts';
import { mqttDriver } from './index.ts';
import { readTls } from './link-tls.ts';

const MOSQUITTO = '/usr/sbin/mosquitto';
const patience = { timeout: 60_000, interval: 50 };

describe.skipIf(!existsSync(MOSQUITTO))(
  'an external broker (needs: apt-get install mosquitto)',
  { timeout: 120_000 },
  () => {
    let folder: string;
    let port: number;
    let broker: ChildProcess | undefined;
    const drivers: Driver[] = [];
    const logger = new MemoryLogger();

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'millwright-external-'));
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close();
      await once(server, 'close');
    });
    afterEach(async () => {
      for (const driver of drivers.splice(0)) await driver.stop();
      await end();
      rmSync(folder, { recursive: true, force: true });
    });

    const end = async () => {
      const child = broker;
      broker = undefined;
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    };
    const start = (...lines: string[]) => {
      const config = join(folder, 'mosquitto.conf');
      writeFileSync(config, [`listener ${port} 127.0.0.1`, 'allow_anonymous true', ...lines, ''].join('\n'));
      broker = spawn(MOSQUITTO, ['-c', config], { stdio: 'ignore' });
    };
    const outside = (options: object = {}, scheme = 'mqtt') =>
      vi.waitFor(
        () => connectAsync(`${scheme}://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options }),
        patience,
      );
    const driverFor = (connect: object, values: unknown[], states: boolean[]) => {
      const spec = InlineDevice.parse({
        id: 'd',
        driver: 'mqtt',
        connect,
        points: { x: { topic: 'd/x', as: 'float64' } },
      });
      if (spec.driver !== 'mqtt') throw new Error('not an MQTT device');
      const driver = mqttDriver.create(
        [{ spec, numbers: new Map([[PointId.parse('x'), PointNo.parse(0)]]) }],
        {
          ...{ clock: systemClock, logger },
          sink: (batch) => {
            for (let row = 0; row < batch.length; row++) values.push(batch.valueAt(row));
          },
          onState: (_device, { online }) => states.push(online),
        },
      );
      drivers.push(driver);
      return driver;
    };

    it('asks for a client certificate and gets the one that was named; without it the device stays offline', async () => {
      const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
      openssl(
        'req',
        '-x509',
        ...key,
        '-keyout',
        'ca.key',
        '-out',
        'ca.pem',
        '-subj',
        '/CN=ca',
        '-days',
        '3650',
      );
      writeFileSync(join(folder, 'ext'), 'subjectAltName=IP:127.0.0.1\n');
      for (const name of ['server', 'client']) {
        openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
        const ca = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '3650'];
        openssl('x509', '-req', '-in', `${name}.csr`, ...ca, '-extfile', 'ext', '-out', `${name}.pem`);
      }
      const file = (name: string) => join(folder, name);
      start(
        `cafile ${file('ca.pem')}`,
        `certfile ${file('server.pem')}`,
        `keyfile ${file('server.key')}`,
        'require_certificate true',
        'user root',
      );
      const own = { ca: file('ca.pem'), cert: file('client.pem'), key: file('client.key') };
      const publisher = await outside(await readTls(own), 'mqtts');
      const url = `mqtts://127.0.0.1:${port}`;
      const [values, states, others]: [unknown[], boolean[], boolean[]] = [[], [], []];
      await driverFor({ broker: url, tls: own }, values, states).start();
      await driverFor({ broker: url, tls: { ca: own.ca } }, [], others).start();
      await vi.waitFor(async () => {
        await publisher.publishAsync('d/x', '7', { qos: 1 });
        expect(values).toContain(7);
      }, patience);
      expect(states).toEqual([true]);
      await vi.waitFor(() => expect(others).toEqual([false]), patience);
      publisher.end(true);
    });

    it('names the file of a certificate that is not there', async () => {
      await expect(readTls({ ca: '/nowhere/ca.pem' })).rejects.toThrow('/nowhere/ca.pem');
    });

    it('is subscribed to anew after it was killed and restarted', async () => {
      start();
      const [values, states]: [unknown[], boolean[]] = [[], []];
      await driverFor({ broker: `mqtt://127.0.0.1:${port}` }, values, states).start();
      for (const value of [1, 2]) {
        const publisher = await outside();
        await vi.waitFor(async () => {
          await publisher.publishAsync('d/x', String(value), { qos: 1 });
          expect(values).toContain(value);
        }, patience);
        publisher.end(true);
        await end();
        await vi.waitFor(() => expect(states.at(-1)).toBe(false), patience);
        start();
      }
      await vi.waitFor(() => expect(states).toEqual([true, false, true, false, true]), patience);
    });

    it('keeps what was sent while a session was away, over a farewell, too', async () => {
      start();
      const publisher = await outside();
      const received: string[] = [];
      const open = () =>
        new MqttClientLink(
          { clock: systemClock, logger },
          { url: `mqtt://127.0.0.1:${port}`, clientId: 'stays', sessionExpirySeconds: 600 },
        );
      const listen = async (link: MqttClientLink) => {
        link.subscribe('q', (_topic, payload) => received.push(Buffer.from(payload).toString()));
        await link.start();
      };
      const first = open();
      await listen(first);
      await vi.waitFor(async () => {
        await publisher.publishAsync('q', 'probe', { qos: 1 });
        expect(received).toContain('probe');
      }, patience);
      await first.stop();
      received.length = 0;
      for (const payload of ['1', '2', '3']) await publisher.publishAsync('q', payload, { qos: 1 });
      const second = open();
      await listen(second);
      await vi.waitFor(() => expect(received).toEqual(['1', '2', '3']), patience);
      await second.stop();
      publisher.end(true);
    });

    it('is one line for all devices of the same login, and another one for another certificate or name', () => {
      const line = (connect: object) =>
        mqttDriver.lineOf(InlineDevice.parse({ id: 'd', driver: 'mqtt', connect, points: {} }) as never);
      const broker = 'mqtt://h:1883';
      expect(line({ broker, base: 'a' })).toBe(line({ broker, base: 'b' }));
      expect(line({ broker, clientId: 'a' })).not.toBe(line({ broker }));
      expect(line({ broker, tls: { ca: '/a.pem' } })).not.toBe(line({ broker, tls: { ca: '/b.pem' } }));
    });
  },
);
