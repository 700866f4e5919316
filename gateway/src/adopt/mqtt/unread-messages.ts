import type { Clock, Lifecycle, Logger } from '@millwright/protocol';
import type { MqttBroker } from '../../broker/broker.ts';
import { type PendingDevices, slugOf } from '../../devices/pending-devices.ts';
import { type ProposedPoint, proposedPoints } from './proposed-points.ts';

const SOURCE = 'mqtt';
const MAX_ROOTS = 500;
const MAX_POINTS = 100;
const MAX_PAYLOAD_BYTES = 16 * 1024;
/** A topic that was understood is looked at again after this. */
const LOOK_AGAIN_MS = 10_000;
const MAX_TOPICS = 5000;

export interface UnreadMessagesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly broker: Pick<MqttBroker, 'onUnread'>;
  readonly pending: Pick<PendingDevices, 'add'>;
}

interface Root {
  readonly client: string;
  readonly points: Map<string, ProposedPoint>;
}

/**
 * Messages on the gateway's own broker that belong to no device: whoever sends them is proposed as one, with a point
 * for each value seen. What a message says is data: nothing is read from it before a person adopts the device.
 */
export class UnreadMessages implements Lifecycle {
  readonly #deps: UnreadMessagesDeps;
  readonly #roots = new Map<string, Root>();
  readonly #nextLookMs = new Map<string, number>();
  #end: (() => void) | undefined;
  #isFull = false;

  constructor(deps: UnreadMessagesDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    this.#end ??= this.#deps.broker.onUnread((topic, payload, client) => this.#take(topic, payload, client));
  }

  async stop(): Promise<void> {
    this.#end?.();
    this.#end = undefined;
    this.#roots.clear();
    this.#nextLookMs.clear();
  }

  #take(topic: string, payload: Uint8Array, client: string): void {
    if (payload.length === 0 || payload.length > MAX_PAYLOAD_BYTES) return;
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs < (this.#nextLookMs.get(topic) ?? 0)) return;
    if (this.#nextLookMs.size >= MAX_TOPICS) this.#nextLookMs.clear();
    this.#nextLookMs.set(topic, nowMs + LOOK_AGAIN_MS);
    const found = proposedPoints(topic, Buffer.from(payload).toString('utf8'));
    if (found === undefined || found.root.startsWith('~') || found.root.length > 200) return;
    const root = this.#rootOf(found.root, client);
    if (root === undefined) return;
    for (const [name, point] of found.points) {
      if (root.points.has(name) || root.points.size < MAX_POINTS) root.points.set(name, point);
    }
    this.#deps.pending.add({
      source: SOURCE,
      key: `${SOURCE}:${found.root}`,
      name: found.root,
      client: root.client,
      entry: {
        id: slugOf(found.root),
        name: found.root,
        driver: 'mqtt',
        connect: { broker: 'local', base: found.root },
        points: Object.fromEntries(root.points),
      },
    });
  }

  #rootOf(name: string, client: string): Root | undefined {
    const known = this.#roots.get(name);
    if (known !== undefined) return known;
    if (this.#roots.size >= MAX_ROOTS) {
      if (!this.#isFull) {
        this.#isFull = true;
        this.#deps.logger.warn(
          { max: MAX_ROOTS },
          'messages of unknown devices on too many topics; more are not proposed',
        );
      }
      return undefined;
    }
    const root = { client, points: new Map() };
    this.#roots.set(name, root);
    return root;
  }
}
