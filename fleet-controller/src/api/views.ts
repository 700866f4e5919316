import type { JsonValue } from '@millwright/protocol';
import type { EventNews, GapNews } from '../ingest/store-listener.ts';
import type { EventView, GapView } from './schemas.ts';

/** What the API shows of what a store tells. */

export function eventView(news: EventNews): EventView {
  return {
    id: news.id,
    gateway: news.gateway,
    atMs: news.atMs,
    type: news.type,
    device: news.device,
    point: news.point ?? null,
    message: news.message,
    data: (news.data ?? {}) as Record<string, JsonValue>,
  };
}

export function gapView(news: GapNews): GapView {
  return {
    gateway: news.gateway,
    reason: news.reason,
    fromMs: news.fromMs,
    toMs: news.toMs,
    samples: news.samples ?? null,
    detail: news.detail ?? null,
  };
}
