import { z } from 'zod';
import { DurationMs } from '../duration.ts';
import { pointShape } from '../point.ts';

/** A NodeId, such as `ns=3;s=Press.Temp`. */
const NodeIdText = z.string().regex(/^(ns=\d+;)?[isgb]=.+$/, 'must be a NodeId, such as "ns=3;s=Press.Temp"');

export const OpcuaPoint = z.strictObject({
  ...pointShape,
  /** The variable; with `call`, the method. */
  node: NodeIdText,
  as: z.enum(['bool', 'text', 'int64', 'uint64', 'float64']),
  subscribe: z
    .strictObject({ publish: DurationMs.default(500), queue: z.int().min(1).max(1000).default(10) })
    .prefault({}),
  /**
   * Makes the point an action: writing it calls the method `node` on this object, with the value as its only argument,
   * or with none where the method takes none (then the point is a `bool`, and only `true` is written).
   */
  call: z.strictObject({ on: NodeIdText }).optional(),
});
export const OpcuaConnect = z
  .strictObject({
    url: z.string().regex(/^opc\.tcp:\/\/[^/\s]+/, 'must start with "opc.tcp://"'),
    security: z
      .enum(['None', 'Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256_Sha256_RsaPss'])
      .default('None'),
    mode: z.enum(['none', 'sign', 'sign+encrypt']).default('none'),
    timeout: DurationMs.default(10_000),
    /** Who we are for the server; absent: nobody in particular. */
    username: z.string().min(1).max(200).optional(),
    /** Environment variable that holds the password; never the password itself. */
    passwordEnv: z.string().min(1).optional(),
    /** Instead of a name: `<name>.pem` and `<name>.key` in the folder `opcua/user` of the drivers' files. */
    userCertificate: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1–64 letters, digits, "_" or "-": the name of two files')
      .optional(),
    /** Takes the server's alarms and conditions over as alarms of this device. */
    events: z
      .strictObject({
        /** The node that tells of events; the server itself tells of all. */
        from: NodeIdText.default('i=2253'),
        /** 1 … 1000; what is less urgent is left out. */
        minSeverity: z.int().min(1).max(1000).default(1),
        /** Keep also events that are no conditions, as events of the device. */
        all: z.boolean().default(false),
      })
      .optional(),
    /** After an outage values are read from the server's history, at most so far back; `0s`: never. */
    backfill: DurationMs.default(24 * 3600 * 1000),
  })
  .refine((c) => (c.username === undefined) === (c.passwordEnv === undefined), {
    message: 'needs "username" and "passwordEnv" together',
    path: ['username'],
  })
  .refine((c) => c.username === undefined || c.userCertificate === undefined, {
    message: 'needs either "username" or "userCertificate", not both',
    path: ['userCertificate'],
  })
  .refine(
    (c) => (c.security === 'None') === (c.mode === 'none'),
    'needs "security" and "mode" together: both set, or neither',
  );

export type OpcuaPoint = z.infer<typeof OpcuaPoint>;
export type OpcuaConnect = z.infer<typeof OpcuaConnect>;
