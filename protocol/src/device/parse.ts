import type { DeviceSpec, DeviceType } from './schema.ts';

/** A YAML file by name (for messages) and text. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}
export type { DeviceSpec, DeviceType };
