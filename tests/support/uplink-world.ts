import { type IngestStore, MemoryIngestStore } from '@millwright/fleet-controller/testing';
import type { GatewayId } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { afterEach, beforeEach, expect } from 'vitest';
import { TcpProxy } from './tcp-proxy.ts';
import { GatewayEnd, type GatewayEndOptions, RegionEnd } from './uplink-rig.ts';

/** Keep-alive and silence that notice a dead link while a test waits. */
export const FAST = { keepAliveMs: 150, silenceMs: 600 };
const HOUR_MS = 3_600_000;

/** A region over memory, a bad network before it, and gateways; new for each test of the file that calls `uplinkWorld`. */
export class UplinkWorld {
  readonly cleanups: (() => Promise<unknown>)[] = [];
  store = new MemoryIngestStore({ clock: systemClock });
  #ends: { readonly region: RegionEnd; readonly proxy: TcpProxy } | undefined;

  get region(): RegionEnd {
    if (this.#ends === undefined) throw new Error('the region was not started');
    return this.#ends.region;
  }

  get proxy(): TcpProxy {
    if (this.#ends === undefined) throw new Error('the region was not started');
    return this.#ends.proxy;
  }

  async startRegion(store: IngestStore = this.store, timing = FAST): Promise<void> {
    const region = await RegionEnd.start(store, timing);
    const proxy = new TcpProxy({ port: region.port });
    await proxy.start();
    this.#ends = { region, proxy };
    this.cleanups.push(async () => {
      await proxy.stop();
      await region.stop();
    });
  }

  async issueToken(expiresAtMs = Date.now() + HOUR_MS): Promise<string> {
    const token = this.region.newToken();
    await this.store.addToken({ token, expiresAtMs });
    return token;
  }

  async startGateway(
    options: Partial<GatewayEndOptions> = {},
    from?: Parameters<typeof GatewayEnd.start>[1],
  ) {
    const addresses = [`127.0.0.1:${this.proxy.port}`];
    const gateway = await GatewayEnd.start({ ...FAST, addresses, ...options }, from);
    this.cleanups.push(() => gateway.remove());
    return gateway;
  }

  async startEnrolled(options: Partial<GatewayEndOptions> = {}) {
    const gateway = await this.startGateway({ token: await this.issueToken(), ...options });
    await this.isConnected(gateway);
    return gateway;
  }

  async isConnected(gateway: GatewayEnd): Promise<void> {
    await expect.poll(() => gateway.uplink.state, { timeout: 20_000 }).toMatchObject({ state: 'connected' });
  }

  /** Every entry of the journal so far is in the store, once and in order, and the journal has let go of it. */
  async allArrived(gateway: GatewayEnd, timeoutMs = 60_000): Promise<void> {
    const { lastSeq } = gateway.journal.stats();
    await expect
      .poll(() => this.lastSeqOf(gateway.gateway), { timeout: timeoutMs, interval: 50 })
      .toBeGreaterThanOrEqual(lastSeq);
    let next = 0;
    for (const entry of this.store.entriesOf(gateway.gateway)) {
      expect(entry.seq).toBe(next);
      next = entry.seqEnd + 1;
    }
    await expect.poll(() => gateway.journal.stats().firstSeq, { timeout: 10_000 }).toBeGreaterThan(lastSeq);
  }

  lastSeqOf(gateway: GatewayId): number {
    return this.store.entriesOf(gateway).at(-1)?.seqEnd ?? -1;
  }

  gapsOf(gateway: GatewayId): number {
    return this.store.entriesOf(gateway).filter((entry) => entry.kind === 'gap').length;
  }
}

export function uplinkWorld(): UplinkWorld {
  const world = new UplinkWorld();
  beforeEach(async () => {
    world.store = new MemoryIngestStore({ clock: systemClock });
    await world.startRegion();
  });
  afterEach(async () => {
    for (const cleanup of world.cleanups.splice(0).toReversed()) await cleanup();
  });
  return world;
}
