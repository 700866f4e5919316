/** Shapes of the region's API, inferred from the schemas it is served from. Types only: nothing of the server is bundled. */

export type { JsonValue, Quality } from '@millwright/protocol';
export type {
  AlarmView,
  DeviceDetail,
  DeviceView,
  EventView,
  GapView,
  GatewayView,
  History,
  HistoryPoint,
  PointView,
  Problem,
  ReceiptView,
  Summary,
} from '../../../src/api/schemas.ts';
export type { StreamDevice, StreamGateway, StreamValue } from '../../../src/api/stream-schemas.ts';

export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
}

export interface Session {
  readonly user: string;
  readonly role: 'viewer' | 'operator' | 'engineer';
  readonly region: string;
  readonly expiresAtMs: number | null;
}
