import { type Clock, DeviceSlug, InvalidInputError } from '@millwright/protocol';

const MAX_NAME = 120;
const MAX_SKIPPED = 50;

/** A device as it would stand in a site file: plain data, checked when it is adopted. */
export type SiteEntry = Readonly<Record<string, unknown>> & { readonly id: string };

/** What a finder knows about a device nobody has asked for yet. All of it comes from outside: data, never instruction. */
export interface FoundDevice {
  /** How it was found: `home-assistant`, `mqtt`, … */
  readonly source: string;
  /** The same device has the same key whenever it is found again, such as `home-assistant:0x00158d0001`. */
  readonly key: string;
  readonly name: string;
  /** Who was heard: a username or client identifier of the broker. */
  readonly client?: string | undefined;
  readonly maker?: string | undefined;
  readonly model?: string | undefined;
  /** What it would become; absent: it was seen, but somebody has to say what it is. */
  readonly entry?: SiteEntry | undefined;
  /** What of it could not be carried over, one sentence each. */
  readonly skipped?: readonly string[];
}

export interface PendingDevice extends FoundDevice {
  /** What it is called here until it is adopted, and the id it gets unless another one is chosen. */
  readonly id: DeviceSlug;
  readonly skipped: readonly string[];
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

export interface PendingDevicesDeps {
  readonly clock: Pick<Clock, 'wallMs'>;
  /** Whether a device with this id is configured already. */
  readonly isTaken: (id: string) => boolean;
  /** Whether the device behind this key has been adopted before. */
  readonly isAdopted: (key: string) => boolean;
  /**
   * Checks the entry, keeps it for good and starts reading it.
   * @throws InvalidInputError when it cannot be a device
   */
  readonly keep: (key: string, entry: SiteEntry) => Promise<void>;
}

/**
 * Devices that were seen but are not configured: they wait here, and do nothing, until a person adopts or dismisses
 * them. Bounded; when it is full new ones are counted and not taken, so that a flood does not push out what was found.
 */
export class PendingDevices {
  readonly #deps: PendingDevicesDeps;
  readonly #max: number;
  readonly #byKey = new Map<string, PendingDevice>();
  readonly #dismissed = new Set<string>();
  readonly #listeners = new Set<() => void>();
  #refused = 0;

  constructor(deps: PendingDevicesDeps, config: { readonly max?: number } = {}) {
    this.#deps = deps;
    this.#max = config.max ?? 500;
  }

  /** Found devices not taken because the list was full. */
  get refused(): number {
    return this.#refused;
  }

  /** Notes a device, or what is new about one. @returns false when it is adopted, dismissed, or there is no room */
  add(found: FoundDevice): boolean {
    const { clock, isAdopted } = this.#deps;
    if (this.#dismissed.has(found.key) || isAdopted(found.key)) return false;
    const before = this.#byKey.get(found.key);
    if (before === undefined && this.#byKey.size >= this.#max) {
      this.#refused++;
      return false;
    }
    const lastSeenMs = clock.wallMs();
    const name = plainText(found.name, MAX_NAME) || found.key.slice(0, MAX_NAME);
    const pending: PendingDevice = {
      ...found,
      name,
      client: found.client && plainText(found.client, MAX_NAME),
      maker: found.maker && plainText(found.maker, MAX_NAME),
      model: found.model && plainText(found.model, MAX_NAME),
      skipped: (found.skipped ?? []).slice(0, MAX_SKIPPED).map((line) => plainText(line, 300)),
      id: before?.id ?? this.#freeId(found.entry?.id ?? name),
      firstSeenMs: before?.firstSeenMs ?? lastSeenMs,
      lastSeenMs,
    };
    this.#byKey.set(found.key, pending);
    if (before === undefined || !isSame(before, pending)) this.#tell();
    return true;
  }

  /** The device takes its announcement back. */
  remove(key: string): void {
    if (this.#byKey.delete(key)) this.#tell();
  }

  /** In the order they were found. */
  list(): readonly PendingDevice[] {
    return [...this.#byKey.values()];
  }

  get(id: string): PendingDevice | undefined {
    for (const pending of this.#byKey.values()) if (pending.id === id) return pending;
    return undefined;
  }

  /**
   * Makes a pending device a device of this gateway.
   * @param options.as another id than the one it waits under
   * @param options.entry what it is, for one that did not say so itself
   * @returns its id
   * @throws InvalidInputError `NOT_PENDING`, `ID_TAKEN`, `NOT_DESCRIBED`, or what is wrong with its description
   */
  async adopt(
    id: string,
    options: { readonly as?: string; readonly entry?: Readonly<Record<string, unknown>> } = {},
  ): Promise<DeviceSlug> {
    const pending = this.#pending(id);
    const described = options.entry ?? pending.entry;
    if (described === undefined) {
      throw new InvalidInputError('NOT_DESCRIBED', `"${id}" did not say which points it has`, {
        hint: 'describe it in the site file',
      });
    }
    const parsed = DeviceSlug.safeParse(options.as ?? pending.id);
    if (!parsed.success) {
      const why = parsed.error.issues[0]?.message ?? 'is not valid';
      throw new InvalidInputError('ID_INVALID', `id "${plainText(options.as ?? '', 80)}" ${why}`);
    }
    if (this.#deps.isTaken(parsed.data)) {
      throw new InvalidInputError('ID_TAKEN', `there is a device "${parsed.data}" already`, {
        hint: 'choose another id',
      });
    }
    await this.#deps.keep(pending.key, { ...described, id: parsed.data });
    this.remove(pending.key);
    return parsed.data;
  }

  /** Not shown again while this process runs. @throws InvalidInputError `NOT_PENDING` */
  dismiss(id: string): void {
    const { key } = this.#pending(id);
    if (this.#dismissed.size < this.#max) this.#dismissed.add(key);
    this.remove(key);
  }

  /** Called after every change. @returns unsubscribe */
  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #pending(id: string): PendingDevice {
    const pending = this.get(id);
    if (pending !== undefined) return pending;
    throw new InvalidInputError('NOT_PENDING', `no device "${plainText(id, 80)}" is waiting to be adopted`);
  }

  #freeId(wish: string): DeviceSlug {
    const base = slugOf(wish);
    const isFree = (id: string) => !this.#deps.isTaken(id) && this.get(id) === undefined;
    for (let turn = 1; ; turn++) {
      const id = turn === 1 ? base : `${base.slice(0, 58)}-${turn}`;
      if (isFree(id)) return DeviceSlug.parse(id);
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Text from outside, fit to be shown on one line: no control or direction characters, no variables, not long. */
export function plainText(text: string, maxLength: number): string {
  return text
    .slice(0, 4 * maxLength)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, ' ')
    .replaceAll('${', '$ {')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, maxLength);
}

/** What a name is as an id: `Büro – Fenster 2` → `buro-fenster-2`. */
export function slugOf(name: string): string {
  const slug = name
    .slice(0, 200)
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}+/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 60)
    .replace(/^-+|-+$/g, '');
  return slug === '' ? 'device' : slug;
}

function isSame(a: PendingDevice, b: PendingDevice): boolean {
  return JSON.stringify({ ...a, lastSeenMs: 0 }) === JSON.stringify({ ...b, lastSeenMs: 0 });
}
