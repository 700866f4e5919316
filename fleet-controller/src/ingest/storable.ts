import type { DeviceId } from '@millwright/protocol';
import type { GatewayLines } from './directory.ts';

/** PostgreSQL's text has no NUL. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd');
}

export function wholeMs(ms: number): number {
  return Number.isSafeInteger(ms) ? ms : Number.isFinite(ms) ? Math.round(ms) : 0;
}

export function deviceOf(gateway: GatewayLines, device: string | undefined): DeviceId | null {
  return device === undefined ? null : (storable(`dev_${gateway.site}.${device}`) as DeviceId);
}
