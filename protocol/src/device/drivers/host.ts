import { z } from 'zod';
import { DurationMs } from '../duration.ts';
import { pointShape } from '../point.ts';

export const HOST_METRICS = [
  'cpu.load',
  'cpu.temperature',
  'memory.used',
  'memory.available',
  'disk.used',
  'disk.free',
  'network.received',
  'network.sent',
  'uptime',
  'load.1m',
] as const;
export const HostPoint = z.strictObject({ ...pointShape, metric: z.enum(HOST_METRICS) });
export const HostConnect = z.strictObject({
  every: DurationMs.default(1000),
  /** Mount point the disk metrics are about. */
  disk: z.string().default('/'),
});

export type HostPoint = z.infer<typeof HostPoint>;
export type HostConnect = z.infer<typeof HostConnect>;
