import { UnavailableError } from '@millwright/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MqttLink } from '../driver.ts';

/** A real broker, the link under test and an independent client of the same broker. */
export interface LinkPeer {
  /** Not started yet. */
  readonly link: MqttLink;
  /** Publishes on the broker as somebody else would. */
  publish(
    topic: string,
    payload: string | Uint8Array,
    options?: { readonly retain?: boolean },
  ): Promise<void>;
  /** Messages that reached another subscriber of everything, as `topic=payload`, oldest first. */
  received(): readonly string[];
  /** Filters the link is subscribed to at the broker, where that can be seen. */
  subscriptions?(): readonly string[];
  /** Breaks the line and keeps it broken; absent: the link cannot lose its broker. */
  cut?(): Promise<void>;
  restore?(): Promise<void>;
  dispose(): Promise<void>;
}

export interface LinkHarness {
  readonly name: string;
  createPeer(): Promise<LinkPeer>;
  /** False: the link lives in the broker's process and is connected from start to stop. */
  readonly breaks: boolean;
}

const patience = { timeout: 10_000, interval: 10 };

/** The rules of the `MqttLink` port, against a real broker. */
export function describeMqttLink(harness: LinkHarness): void {
  describe(`MQTT link contract: ${harness.name}`, () => {
    let peer: LinkPeer;
    let states: boolean[];
    let heard: string[];
    const listen = (topic: string, payload: Uint8Array) =>
      heard.push(`${topic}=${Buffer.from(payload).toString()}`);
    const until = (check: () => void) => vi.waitFor(check, patience);
    const connected = () => until(() => expect(states.at(-1)).toBe(true));
    /** Publishes until it is heard: a subscription takes effect some time after it was asked for. */
    const reaches = async (topic: string, line: string) => {
      await until(async () => {
        await peer.publish(topic, 'probe');
        expect(heard).toContain(line);
      });
    };

    beforeEach(async () => {
      peer = await harness.createPeer();
      states = [];
      heard = [];
    });

    afterEach(async () => {
      await peer.link.stop();
      await peer.dispose();
    });

    it('tells its state at once and every change of it once', async () => {
      const forget = peer.link.onState((state) => states.push(state));
      expect(states).toEqual([false]);
      await peer.link.start();
      await connected();
      await peer.link.stop();
      expect(states).toEqual([false, true, false]);
      forget();
    });

    it('hears what is published on a subscribed topic and nothing else', async () => {
      peer.link.subscribe('hall/th', listen);
      peer.link.onState((state) => states.push(state));
      await peer.link.start();
      await connected();
      await reaches('hall/th', 'hall/th=probe');
      await peer.publish('hall/other', '1');
      await peer.publish('hall/th', '2');
      await until(() => expect(heard).toContain('hall/th=2'));
      expect(heard.filter((line) => line.startsWith('hall/other'))).toEqual([]);
    });

    it('hears a subscription made while connected, and no more after it was ended', async () => {
      peer.link.onState((state) => states.push(state));
      await peer.link.start();
      await connected();
      const end = peer.link.subscribe('a/+/c', listen);
      await reaches('a/b/c', 'a/b/c=probe');
      end();
      end();
      const count = heard.length;
      const other: string[] = [];
      peer.link.subscribe('last', (topic) => other.push(topic));
      await peer.publish('a/b/c', 'late');
      await until(async () => {
        await peer.publish('last', 'probe');
        expect(other).toContain('last');
      });
      expect(heard).toHaveLength(count);
    });

    it('matches wildcards as the standard says', async () => {
      const by = new Map<string, Set<string>>();
      for (const filter of ['a/#', 'a/+', '+/b', '#', 'a']) {
        by.set(filter, new Set());
        peer.link.subscribe(filter, (topic) => by.get(filter)?.add(topic));
      }
      peer.link.onState((state) => states.push(state));
      await peer.link.start();
      await connected();
      await until(async () => {
        for (const topic of ['a', 'a/b', 'a/b/c', 'x/b']) await peer.publish(topic, '1');
        expect(by.get('#')).toEqual(new Set(['a', 'a/b', 'a/b/c', 'x/b']));
        expect(by.get('a')).toEqual(new Set(['a']));
        expect(by.get('a/#')).toEqual(new Set(['a', 'a/b', 'a/b/c']));
        expect(by.get('a/+')).toEqual(new Set(['a/b']));
        expect(by.get('+/b')).toEqual(new Set(['a/b', 'x/b']));
      });
    });

    it('gives a retained message to a subscriber that comes later, also to the second one', async () => {
      await peer.publish('kept/state', 'here', { retain: true });
      peer.link.onState((state) => states.push(state));
      await peer.link.start();
      await connected();
      peer.link.subscribe('kept/state', listen);
      await until(() => expect(heard).toEqual(['kept/state=here']));
      const second: string[] = [];
      peer.link.subscribe('kept/state', (topic) => second.push(topic));
      await until(() => expect(second).toContain('kept/state'));
    });

    it('tells what the broker had kept from what is said now', async () => {
      await peer.publish('kept/state', 'before', { retain: true });
      peer.link.onState((state) => states.push(state));
      await peer.link.start();
      await connected();
      const told: string[] = [];
      peer.link.subscribe('kept/state', (_topic, payload, retained) =>
        told.push(`${Buffer.from(payload)}${retained ? ' (kept)' : ''}`),
      );
      await until(() => expect(told).toEqual(['before (kept)']));
      await peer.publish('kept/state', 'now', { retain: true });
      await until(() => expect(told).toEqual(['before (kept)', 'now']));
    });

    it('publishes for others, text and bytes, retained when asked', async () => {
      peer.link.onState((state) => states.push(state));
      await peer.link.start();
      await connected();
      await peer.link.publish('out/a', 'text');
      await peer.link.publish('out/b', new TextEncoder().encode('bytes'), { qos: 1 });
      await peer.link.publish('out/c', 'kept', { qos: 1, retain: true });
      await until(() => expect(peer.received()).toEqual(['out/a=text', 'out/b=bytes', 'out/c=kept']));
      peer.link.subscribe('out/#', listen);
      await until(() => expect(heard).toEqual(['out/c=kept']));
    });

    it('serves two handlers of one filter with one subscription', async () => {
      const other: string[] = [];
      const endFirst = peer.link.subscribe('two', listen);
      peer.link.subscribe('two', (topic) => other.push(topic));
      peer.link.onState((state) => states.push(state));
      await peer.link.start();
      await connected();
      await reaches('two', 'two=probe');
      expect(other.length).toBe(heard.length);
      if (peer.subscriptions)
        expect(peer.subscriptions().filter((filter) => filter === 'two')).toEqual(['two']);
      endFirst();
      const count = heard.length;
      const before = other.length;
      await peer.publish('two', 'again');
      await until(() => expect(other.length).toBeGreaterThan(before));
      expect(heard).toHaveLength(count);
    });

    it('refuses to publish before it is connected and after stop', async () => {
      await expect(peer.link.publish('x', '1')).rejects.toBeInstanceOf(UnavailableError);
      peer.link.onState((state) => states.push(state));
      await peer.link.start();
      await connected();
      await peer.link.stop();
      await expect(peer.link.publish('x', '1')).rejects.toBeInstanceOf(UnavailableError);
    });

    it('says nothing after stop, may be stopped first, and may be started and stopped twice', async () => {
      await peer.link.stop();
      peer.link.subscribe('quiet', listen);
      peer.link.onState((state) => states.push(state));
      await peer.link.start();
      await peer.link.start();
      await connected();
      await reaches('quiet', 'quiet=probe');
      await peer.link.stop();
      await peer.link.stop();
      const count = heard.length;
      await peer.publish('quiet', 'late');
      expect(heard).toHaveLength(count);
      expect(states).toEqual([false, true, false]);
    });

    it.runIf(harness.breaks)(
      'comes back by itself with all its subscriptions when the line was cut',
      async () => {
        peer.link.subscribe('hall/th', listen);
        peer.link.subscribe('wild/#', listen);
        peer.link.onState((state) => states.push(state));
        await peer.link.start();
        await connected();
        await reaches('hall/th', 'hall/th=probe');
        await peer.cut?.();
        await until(() => expect(states.at(-1)).toBe(false));
        await expect(peer.link.publish('x', '1')).rejects.toBeInstanceOf(UnavailableError);
        heard = [];
        await peer.restore?.();
        await connected();
        await reaches('hall/th', 'hall/th=probe');
        await reaches('wild/x', 'wild/x=probe');
        expect(states).toEqual([false, true, false, true]);
      },
    );

    it.runIf(harness.breaks)('starts without a broker and finds it later', async () => {
      await peer.cut?.();
      peer.link.subscribe('hall/th', listen);
      peer.link.onState((state) => states.push(state));
      await peer.link.start();
      await peer.restore?.();
      await connected();
      await reaches('hall/th', 'hall/th=probe');
    });

    it.runIf(harness.breaks)('never repeats by itself what it could not deliver', async () => {
      peer.link.onState((state) => states.push(state));
      await peer.link.start();
      await connected();
      const cutting = peer.cut?.();
      const sent = peer.link.publish('order', 'open', { qos: 1 }).then(
        () => 'delivered',
        () => 'failed',
      );
      await cutting;
      const outcome = await sent;
      await until(() => expect(states.at(-1)).toBe(false));
      await peer.restore?.();
      await connected();
      await peer.link.publish('order', 'after', { qos: 1 });
      await until(() => expect(peer.received()).toContain('order=after'));
      if (outcome === 'failed') expect(peer.received()).not.toContain('order=open');
    });
  });
}
