import type { EventView, GapView, StreamDevice, StreamGateway, StreamValue } from '../api/types.ts';

export type Connection =
  | { readonly state: 'connecting' | 'open'; readonly sinceMs: number }
  | { readonly state: 'lost'; readonly sinceMs: number };

/** What else the stream says, for those who keep lists. */
export interface StreamListener {
  device?(device: StreamDevice): void;
  gateway?(gateway: StreamGateway): void;
  event?(event: EventView): void;
  gap?(gap: GapView): void;
  reset?(): void;
}

const keyOf = (device: string, point: string) => `${device} ${point}`;

/**
 * The newest value of every point, fed by one event stream. Listeners of a point are told once per animation frame
 * at most, and only when it changed: a thousand updates a second do not draw a thousand times.
 */
export class LiveStore {
  readonly #values = new Map<string, StreamValue>();
  readonly #watchers = new Map<string, Set<() => void>>();
  readonly #changed = new Set<string>();
  readonly #taps = new Map<string, Set<(value: StreamValue) => void>>();
  readonly #streamListeners = new Set<StreamListener>();
  readonly #connectionWatchers = new Set<() => void>();
  #connection: Connection = { state: 'connecting', sinceMs: Date.now() };
  #source: EventSource | undefined;
  #frame: number | undefined;

  open(): void {
    if (this.#source !== undefined) return;
    const source = new EventSource('/api/v1/events');
    this.#source = source;
    source.onopen = () => this.#setConnection('open');
    source.onerror = () => {
      this.#setConnection('lost');
      // The browser gives up for good when the answer was not an event stream (signed out, proxy error).
      if (source.readyState === EventSource.CLOSED) {
        this.close();
        setTimeout(() => this.open(), 3000);
      }
    };
    const on = <T>(name: string, handle: (data: T) => void) =>
      source.addEventListener(name, (message: MessageEvent<string>) => handle(JSON.parse(message.data) as T));
    on<StreamValue>('value', (value) => this.#accept(value));
    on<StreamDevice>('device', (device) => this.#tell((listener) => listener.device?.(device)));
    on<StreamGateway>('gateway', (gateway) => this.#tell((listener) => listener.gateway?.(gateway)));
    on<EventView>('event', (event) => this.#tell((listener) => listener.event?.(event)));
    on<GapView>('gap', (gap) => this.#tell((listener) => listener.gap?.(gap)));
    on('reset', () => this.#tell((listener) => listener.reset?.()));
  }

  close(): void {
    this.#source?.close();
    this.#source = undefined;
  }

  value(device: string, point: string): StreamValue | undefined {
    return this.#values.get(keyOf(device, point));
  }

  /** Tells at most once per animation frame. */
  watch(device: string, point: string, onChange: () => void): () => void {
    return add(this.#watchers, keyOf(device, point), onChange);
  }

  /** Tells every value, at once: for charts. */
  tap(device: string, point: string, onValue: (value: StreamValue) => void): () => void {
    return add(this.#taps, keyOf(device, point), onValue);
  }

  listen(listener: StreamListener): () => void {
    this.#streamListeners.add(listener);
    return () => this.#streamListeners.delete(listener);
  }

  get connection(): Connection {
    return this.#connection;
  }

  watchConnection = (onChange: () => void): (() => void) => {
    this.#connectionWatchers.add(onChange);
    return () => this.#connectionWatchers.delete(onChange);
  };

  #accept(value: StreamValue): void {
    const key = keyOf(value.device, value.point);
    this.#values.set(key, value);
    for (const tap of this.#taps.get(key) ?? []) tap(value);
    if (!this.#watchers.has(key)) return;
    this.#changed.add(key);
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      const changed = [...this.#changed];
      this.#changed.clear();
      for (const each of changed) {
        for (const watcher of this.#watchers.get(each) ?? []) watcher();
      }
    });
  }

  #tell(how: (listener: StreamListener) => void): void {
    for (const listener of this.#streamListeners) how(listener);
  }

  #setConnection(state: Connection['state']): void {
    if (this.#connection.state === state) return;
    this.#connection = { state, sinceMs: Date.now() };
    for (const watcher of this.#connectionWatchers) watcher();
  }
}

function add<T>(map: Map<string, Set<T>>, key: string, item: T): () => void {
  const set = map.get(key) ?? new Set<T>();
  map.set(key, set);
  set.add(item);
  return () => {
    set.delete(item);
    if (set.size === 0) map.delete(key);
  };
}

export const liveStore = new LiveStore();
