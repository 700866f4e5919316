import { randomBytes } from 'node:crypto';
import type { DeviceId } from '@millwright/protocol';
import { eventView, gapView } from '../api/views.ts';
import type { DeviceNews, EventNews, GapNews, GatewayNews, StoreListener } from '../ingest/store-listener.ts';
import type { LiveValues } from '../live/live-values.ts';
import { EventRing } from './event-ring.ts';

const RING_LENGTH = 4096;

/** Where in the feed a listener is: all value changes up to `value`, all events up to `event`. */
export interface FeedPosition {
  readonly value: number;
  readonly event: number;
}

/** Everything listeners can hear of: the newest values, and the last few thousand events in order. */
export class EventFeed implements StoreListener {
  readonly values: LiveValues;
  readonly ring = new EventRing({ length: RING_LENGTH });
  /** Positions of another life of the process mean nothing here. */
  readonly #life = randomBytes(6).toString('base64url');

  constructor(deps: { readonly values: LiveValues }) {
    this.values = deps.values;
  }

  gateway(news: GatewayNews): void {
    this.ring.publish('gateway', undefined, news);
  }

  device(news: DeviceNews): void {
    const { id, name, driver, gateway, site, online, sinceMs, gone } = news;
    const view = {
      id,
      name,
      type: news.type ?? null,
      driver,
      gateway,
      site,
      online,
      why: news.why ?? null,
      sinceMs,
      gone,
    };
    this.ring.publish('device', id, view);
  }

  event(news: EventNews): void {
    this.ring.publish('event', news.device ?? undefined, eventView(news));
  }

  gap(news: GapNews): void {
    this.ring.publish('gap', undefined, gapView(news));
  }

  /** @returns unsubscribe */
  onNews(listener: () => void): () => void {
    const stops = [this.values.onChange(listener), this.ring.onPublished(listener)];
    return () => {
      for (const stop of stops) stop();
    };
  }

  idOf(position: FeedPosition): string {
    return `${this.#life}.${position.value}.${position.event}`;
  }

  /** @returns null when what came after `id` is not held any more */
  positionOf(id: string): FeedPosition | null {
    const [life, value, event] = id.split('.');
    const position = { value: Number(value), event: Number(event) };
    const known =
      life === this.#life &&
      isCount(position.value, this.values.head) &&
      isCount(position.event, this.ring.last) &&
      this.ring.holdsAfter(position.event);
    return known ? position : null;
  }
}

function isCount(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}

/** Events of one device reach its listeners and those of everything. */
export function concerns(device: DeviceId | undefined, filter: DeviceId | undefined): boolean {
  return filter === undefined || device === undefined || device === filter;
}
