import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../conformance/support/gateway-rig.ts';
import { Peer, type PeerMetric } from '../conformance/support/peer.ts';

const patience = { timeout: 60_000, interval: 50 };

describe('an edge node of another make at the gateway’s own broker', () => {
  let gateway: RunningGateway | undefined;
  const edge = new Peer();

  afterEach(async () => {
    await edge.stop();
    await gateway?.stop();
  });

  it('waits to be adopted when it is born, and is then read and asked for its births by itself', async () => {
    gateway = await startGateway({ name: 'box', site: '[]\n' });
    const http = gateway.gateway.addresses?.http ?? '';
    const ask = async (path: string, init?: RequestInit): Promise<unknown> =>
      (await fetch(new URL(path, http), init)).json();
    await edge.start(Number(gateway.mqtt.split(':').at(-1)));
    const birth = async () => {
      const rebirth: PeerMetric = { name: 'Node Control/Rebirth', type: 'Boolean', value: false };
      const bdSeq: PeerMetric = { name: 'bdSeq', type: 'Int64', value: 0 };
      await edge.send('spBv1.0/plant/NBIRTH/line', { seq: 0, metrics: [bdSeq, rebirth] });
      const metrics: PeerMetric[] = [{ name: 'Drive/Speed', alias: 1, type: 'Double', value: 12.5 }];
      await edge.send('spBv1.0/plant/DBIRTH/line/Press 2', { seq: 1, metrics });
    };
    await birth();
    await expect
      .poll(() => ask('api/v1/pending-devices'), patience)
      .toMatchObject({ items: [{ id: 'press-2', source: 'sparkplug', points: ['Drive_Speed'] }] });

    const token = readFileSync(join(gateway.folder, 'state', 'api-token'), 'utf8').trim();
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const adopted = await ask('api/v1/pending-devices/press-2/adopt', {
      method: 'POST',
      headers,
      body: '{}',
    });
    expect(adopted).toEqual({ id: 'press-2' });
    await expect
      .poll(() => edge.heard.filter(({ type }) => type === 'NCMD').length, patience)
      .toBeGreaterThan(0);
    await birth();
    await expect
      .poll(() => ask('api/v1/devices/press-2'), patience)
      .toMatchObject({ points: [{ id: 'Drive_Speed', v: 12.5, q: 'good' }] });
  });
});
