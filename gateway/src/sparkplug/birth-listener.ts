import type { MqttLink } from '@millwright/device-drivers';
import { type DeviceSpec, describeError, type Lifecycle, type Logger } from '@millwright/protocol';
import type { PendingDevices } from '../devices/pending-devices.ts';
import { type BirthOf, birthEntry } from './birth-entry.ts';

const SOURCE = 'sparkplug';
const FILTERS = ['spBv1.0/+/NBIRTH/+', 'spBv1.0/+/DBIRTH/+/+'];
/** Births waiting for the decoder to be loaded. */
const MAX_WAITING = 64;

export interface BirthListenerDeps {
  readonly logger: Logger;
  /** The gateway's own broker. */
  readonly link: Pick<MqttLink, 'subscribe'>;
  readonly pending: Pick<PendingDevices, 'add'>;
  /** It is a device of this gateway, or this gateway. */
  readonly isKnown: (birth: BirthOf) => boolean;
}

/** Hears edge nodes and devices being born at the gateway's own broker, and has them wait to be adopted. */
export class BirthListener implements Lifecycle {
  readonly #deps: BirthListenerDeps;
  #unsubscribe: (() => void)[] = [];
  #waiting = 0;

  constructor(deps: BirthListenerDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    if (this.#unsubscribe.length > 0) return;
    this.#unsubscribe = FILTERS.map((filter) =>
      this.#deps.link.subscribe(filter, (topic, payload) => this.#heard(topic, payload)),
    );
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
  }

  #heard(topic: string, payload: Uint8Array): void {
    if (this.#waiting >= MAX_WAITING) return;
    this.#waiting++;
    this.#take(topic, Uint8Array.from(payload))
      .catch((error: unknown) => {
        this.#deps.logger.debug({ topic, error: describeError(error) }, 'Sparkplug birth not understood');
      })
      .finally(() => {
        this.#waiting--;
      });
  }

  /** Loaded on use: a gateway that nobody speaks Sparkplug to does without. */
  async #take(topic: string, payload: Uint8Array): Promise<void> {
    const { decodePayload, parseTopic } = await import('@millwright/device-drivers/sparkplug');
    const to = parseTopic(topic);
    if (to === undefined || to.type === 'STATE' || this.#unsubscribe.length === 0) return;
    const { group, node, device } = to;
    if (this.#deps.isKnown({ group, node, device })) return;
    const { entry, skipped } = birthEntry({ group, node, device }, decodePayload(payload).metrics);
    // An edge node that says nothing of itself is no device; those behind it are.
    if (entry === undefined && device === undefined) return;
    this.#deps.pending.add({
      source: SOURCE,
      key: `${SOURCE}:${[group, node, ...(device === undefined ? [] : [device])].join('/')}`,
      name: device ?? node,
      entry,
      skipped,
    });
  }
}

/** @param own the edge node that this gateway is */
export function isKnownBirth(
  devices: () => Iterable<{ readonly spec: DeviceSpec }>,
  own: Pick<BirthOf, 'group' | 'node'> | undefined,
): (birth: BirthOf) => boolean {
  return ({ group, node, device }) => {
    if (own?.group === group && own.node === node) return true;
    for (const { spec } of devices()) {
      if (spec.driver !== 'sparkplug') continue;
      const { connect } = spec;
      if (connect.group === group && connect.node === node && connect.device === device) return true;
    }
    return false;
  };
}
