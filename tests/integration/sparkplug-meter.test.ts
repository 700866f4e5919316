import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSimulator, type Simulator, SimulatorConfig } from '@millwright/device-drivers/simulators';
import { Gateway, readGatewayConfig, readSite } from '@millwright/gateway';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { connectAsync, type MqttClient } from 'mqtt';
import sparkplug from 'sparkplug-payload';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const { decodePayload, encodePayload } = sparkplug.get('spBv1.0') as NonNullable<
  ReturnType<typeof sparkplug.get>
>;

interface Tag {
  readonly type: string;
  readonly unit: unknown;
  value: unknown;
}

/** A Sparkplug host that knows nothing of us: an MQTT client and the reference codec, aliases and all. */
class ForeignHost {
  readonly tags = new Map<string, Tag>();
  readonly #nameOf = new Map<string, string>();
  #client: MqttClient | undefined;
  dataMessages = 0;

  async start(url: string): Promise<void> {
    const client = await connectAsync(url, { clientId: 'foreign-host' });
    this.#client = client;
    client.on('message', (topic, bytes) => this.#take(topic, bytes));
    await client.subscribeAsync('spBv1.0/#');
    const metrics = [{ name: 'Node Control/Rebirth', type: 'Boolean', value: true } as const];
    const request = encodePayload({ timestamp: systemClock.wallMs(), metrics });
    await client.publishAsync('spBv1.0/plant/NCMD/box', Buffer.from(request));
  }

  async write(device: string, name: string, value: number): Promise<void> {
    const payload = encodePayload({
      timestamp: systemClock.wallMs(),
      metrics: [{ name, type: 'Double', value }],
    });
    await this.#client?.publishAsync(`spBv1.0/plant/DCMD/box/${device}`, Buffer.from(payload));
  }

  async stop(): Promise<void> {
    await this.#client?.endAsync(true);
  }

  #take(topic: string, bytes: Uint8Array): void {
    const [, , type, , device] = topic.split('/');
    if (type !== 'DBIRTH' && type !== 'DDATA') return;
    if (type === 'DDATA') this.dataMessages++;
    for (const { name, alias, type: datatype, value, properties } of decodePayload(bytes).metrics ?? []) {
      const key = `${device} ${alias}`;
      if (name) this.#nameOf.set(key, name);
      const tag = `${device}/${this.#nameOf.get(key)}`;
      const before = this.tags.get(tag);
      if (type === 'DBIRTH') this.tags.set(tag, { type: datatype, unit: properties?.engUnit?.value, value });
      else if (before !== undefined) before.value = value;
    }
  }
}

describe('a Sparkplug host at the gateway’s own broker', () => {
  const patience = { timeout: 60_000, interval: 100 };
  let folder: string;
  let meter: Simulator;
  let gateway: Gateway;
  const host = new ForeignHost();

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-sparkplug-'));
    const config = SimulatorConfig.parse({ kind: 'energy-meter', id: 'meter', port: 0, speed: 60 });
    meter = await createSimulator(config, {
      clock: systemClock,
      logger: new MemoryLogger(),
      secret: () => undefined,
      folder,
    });
    await meter.start();
    const file = join(folder, 'gateway.yaml');
    writeFileSync(
      file,
      'name: box\nsite: here\nhttp: { port: 0 }\nbroker: { port: 0 }\ndevices: site.yaml\nsparkplug: { group: plant, role: operator }\n',
    );
    const tcp = `127.0.0.1:${meter.port()}`;
    writeFileSync(
      join(folder, 'site.yaml'),
      `- { id: meter, type: energy-meter@1, connect: { tcp: "${tcp}" } }\n`,
    );
    const parsed = await readGatewayConfig(file, {});
    gateway = new Gateway(
      { clock: systemClock, logger: new MemoryLogger() },
      {
        config: parsed,
        site: await readSite(parsed, {}),
        stateDir: join(folder, 'state'),
        dev: true,
        version: '1.0.0',
        variables: {},
        pid: process.pid,
      },
    );
    await gateway.start();
    await host.start(`mqtt://${gateway.addresses?.mqtt}`);
  });
  afterEach(async () => {
    await host.stop();
    await gateway.stop();
    await meter.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('sees a Modbus meter with names, types, units and living values, and writes to it', async () => {
    await expect.poll(() => host.tags.get('meter/voltage_l1')?.value, patience).toBeGreaterThan(200);
    expect(host.tags.get('meter/voltage_l1')).toMatchObject({ type: 'Double', unit: 'V' });
    expect(host.tags.get('meter/breaker')).toMatchObject({ type: 'Boolean' });
    expect(host.tags.get('meter/energy')).toMatchObject({ type: 'Double', unit: 'kW.h' });
    await expect.poll(() => host.dataMessages, patience).toBeGreaterThan(2);
    await host.write('meter', 'demand_limit', 55);
    await expect.poll(() => host.tags.get('meter/demand_limit')?.value, patience).toBe(55);
  });
});
