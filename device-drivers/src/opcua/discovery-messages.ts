import type { OpcuaServer } from './messages.ts';

/** What a discovery is asked for. */
export interface DiscoveryOrder {
  readonly server: OpcuaServer;
  readonly from: string;
  readonly maxPoints: number;
  readonly maxNodes: number;
}

export interface DiscoveredPoint {
  readonly node: string;
  readonly as: string;
  readonly label?: string;
}

export type FromDiscovery =
  | { readonly op: 'ready' }
  | { readonly op: 'points'; readonly points: readonly (readonly [string, DiscoveredPoint])[] }
  | { readonly op: 'done'; readonly name: string; readonly title: string; readonly notes: readonly string[] }
  | { readonly op: 'failed'; readonly message: string };
export type ToDiscovery = { readonly op: 'begin'; readonly order: DiscoveryOrder };
