import type { DeviceId, DeviceStatus, EventRecord, GapRecord, GatewayId, SiteId } from '@millwright/protocol';

export interface GatewayNews {
  readonly id: GatewayId;
  readonly name: string;
  readonly site: SiteId;
  readonly version: string;
  readonly online: boolean;
}

export interface DeviceNews extends Omit<DeviceStatus, 'device'> {
  readonly id: DeviceId;
  readonly gateway: GatewayId;
  readonly site: SiteId;
  /** No longer in its gateway's list. */
  readonly gone: boolean;
}

export interface EventNews extends Omit<EventRecord, 'device'> {
  readonly gateway: GatewayId;
  readonly device: DeviceId | null;
}

export interface GapNews extends GapRecord {
  readonly gateway: GatewayId;
}

/** Hears what a store has made durable, in order. Must not throw. */
export interface StoreListener {
  gateway(news: GatewayNews): void;
  device(news: DeviceNews): void;
  event(news: EventNews): void;
  gap(news: GapNews): void;
}

export const NO_LISTENER: StoreListener = {
  gateway: () => undefined,
  device: () => undefined,
  event: () => undefined,
  gap: () => undefined,
};
