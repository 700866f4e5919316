import type { CatalogEntry, PointNo, Value } from '@millwright/protocol';
import type { StatusName } from './status-name.ts';

export interface ShownPoint {
  readonly no: PointNo;
  readonly id: string;
  readonly kind: CatalogEntry['kind'];
  /** For people: label and unit. */
  readonly description: string;
}

export interface ShownDevice {
  readonly id: string;
  readonly name: string;
  readonly points: readonly ShownPoint[];
}

export type ShownValue = readonly [no: PointNo, value: Value, status: StatusName, atMs: number];

export interface ServerUser {
  readonly name: string;
  readonly password: string;
}

export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  /** Shown to clients. */
  readonly name: string;
  readonly version: string;
  readonly pkiDir: string;
  readonly users: readonly ServerUser[];
  /** Also without security and without a name: for trying things out on one's own machine. */
  readonly isOpen: boolean;
}

export type ToServer =
  | { readonly op: 'begin'; readonly settings: ServerSettings }
  | { readonly op: 'devices'; readonly devices: readonly ShownDevice[] }
  | { readonly op: 'values'; readonly values: readonly ShownValue[] };

export type FromServer =
  | { readonly op: 'ready' }
  | { readonly op: 'listening'; readonly port: number; readonly thumbprint: string }
  | { readonly op: 'failed'; readonly message: string }
  | { readonly op: 'log'; readonly message: string };
