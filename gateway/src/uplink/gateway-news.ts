import { type DeviceStatus, MAX_ITEMS_PER_MESSAGE, type UplinkUp } from '@millwright/protocol';
import type { CatalogSource, DeviceStatusSource } from './ports.ts';

/**
 * What the region must know beside the entries: the catalogue's new lines and the devices' states.
 * Changes are kept by device until they are asked for, so that a slow link gets the newest state, not each of them.
 */
export class GatewayNews {
  readonly #catalog: CatalogSource;
  readonly #devices: DeviceStatusSource;
  readonly #changed = new Map<string, DeviceStatus>();
  readonly #unsubscribe: readonly (() => void)[];
  #catalogSent: number;
  #devicesChanged = true;
  #listed: ReadonlySet<string> | undefined;

  /** @param options.catalogSize lines the region has already */
  constructor(
    deps: {
      readonly catalog: CatalogSource;
      readonly devices: DeviceStatusSource;
      readonly onNews: () => void;
    },
    options: { readonly catalogSize: number },
  ) {
    this.#catalog = deps.catalog;
    this.#devices = deps.devices;
    this.#catalogSent = options.catalogSize;
    this.#unsubscribe = [
      deps.catalog.onGrown(deps.onNews),
      deps.devices.onChanged((changed) => {
        for (const status of changed) this.#changed.set(status.device, status);
        this.#devicesChanged = true;
        deps.onNews();
      }),
    ];
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** Everything new since the last call, catalogue first. */
  *messages(): Generator<UplinkUp> {
    yield* this.catalogMessages();
    if (!this.#devicesChanged) return;
    this.#devicesChanged = false;
    const statuses = this.#devices.statuses();
    const isSameList =
      this.#listed?.size === statuses.length && statuses.every((status) => this.#listed?.has(status.device));
    const changed = isSameList ? [...this.#changed.values()] : statuses;
    this.#changed.clear();
    this.#listed = new Set(statuses.map((status) => status.device));
    if (isSameList && changed.length === 0) return;
    for (let from = 0; from === 0 || from < changed.length; from += MAX_ITEMS_PER_MESSAGE) {
      const isLast = from + MAX_ITEMS_PER_MESSAGE >= changed.length;
      yield {
        type: 'devices',
        devices: changed.slice(from, from + MAX_ITEMS_PER_MESSAGE),
        complete: !isSameList && isLast,
        ...(isSameList || isLast ? {} : { partial: true }),
      };
    }
  }

  /** Catalogue lines not sent yet: they go before the frames that need them. */
  *catalogMessages(): Generator<UplinkUp> {
    const lines = this.#catalog.entries();
    while (this.#catalogSent < lines.length) {
      const from = this.#catalogSent;
      const entries = lines.slice(from, from + MAX_ITEMS_PER_MESSAGE);
      this.#catalogSent += entries.length;
      yield { type: 'catalog', from, entries };
    }
  }
}
