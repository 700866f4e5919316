import { z } from 'zod';
import { DurationMs } from '../duration.ts';
import { pointShape } from '../point.ts';

export const OpcuaPoint = z.strictObject({
  ...pointShape,
  /** NodeId, such as `ns=3;s=Press.Temp`. */
  node: z.string().regex(/^(ns=\d+;)?[isgb]=.+$/, 'must be a NodeId, such as "ns=3;s=Press.Temp"'),
  as: z.enum(['bool', 'text', 'int64', 'uint64', 'float64']),
  subscribe: z
    .strictObject({ publish: DurationMs.default(500), queue: z.int().min(1).max(1000).default(10) })
    .prefault({}),
});
export const OpcuaConnect = z
  .strictObject({
    url: z.string().regex(/^opc\.tcp:\/\/[^/\s]+/, 'must start with "opc.tcp://"'),
    security: z
      .enum(['None', 'Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256_Sha256_RsaPss'])
      .default('None'),
    mode: z.enum(['none', 'sign', 'sign+encrypt']).default('none'),
    timeout: DurationMs.default(10_000),
  })
  .refine(
    (c) => (c.security === 'None') === (c.mode === 'none'),
    'needs "security" and "mode" together: both set, or neither',
  );

export type OpcuaPoint = z.infer<typeof OpcuaPoint>;
export type OpcuaConnect = z.infer<typeof OpcuaConnect>;
