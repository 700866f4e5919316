import { resolve } from 'node:path';
import { z } from 'zod';

const count = (fallback: number, max = 1_000_000) => z.int().min(1).max(max).default(fallback);

/** Bounds of the broker; a client that crosses one is refused or disconnected, the others are served on. */
export const BrokerLimits = z.strictObject({
  payloadBytes: count(64 * 1024, 16 * 1024 * 1024),
  topicBytes: count(1024, 4096),
  topicLevels: count(50, 100),
  connections: count(1000, 100_000),
  subscriptionsPerClient: count(200),
  /** Per client; a client above either is slowed down. */
  publishesPerSecond: count(5000),
  bytesPerSecond: count(4 * 1024 * 1024, 1024 * 1024 * 1024),
  /** A client that did not stay below its rates for so long without a pause is disconnected. */
  floodSeconds: count(30, 86_400),
  /** QoS 2 messages of one client that wait for its release. */
  inflightPerClient: count(200, 65_535),
  /** What waits for one client to read it; beyond, QoS 0 is dropped and a client owed more is disconnected. */
  sendBufferBytes: count(1024 * 1024, 64 * 1024 * 1024),
  /** Per address: sustained rate and burst of new connections. */
  connectsPerSecond: count(50),
  connectBurst: count(500),
  /** All addresses together. */
  connectsPerSecondInAll: count(200),
  connectBurstInAll: count(2000),
  retainedMessages: count(10_000),
  retainedBytes: count(32 * 1024 * 1024, 1024 * 1024 * 1024),
  /** Sessions kept for clients that connect with "clean session" off. */
  sessions: count(500),
  queuedMessagesPerSession: count(1000),
  queuedBytes: count(16 * 1024 * 1024, 1024 * 1024 * 1024),
});
export type BrokerLimits = z.infer<typeof BrokerLimits>;

const Host = z.string().min(1).max(255);
const Port = z.int().min(0).max(65535);
const File = z.string().min(1).max(4096);

/** ML-KEM-768 beside X25519: what is recorded today cannot be read by a quantum computer later. */
export const PINNED_GROUP = 'X25519MLKEM768';

export const BrokerTls = z
  .strictObject({
    /** @default the broker's host */
    host: Host.optional(),
    /** 0 = any free port. */
    port: Port.default(8883),
    /** PEM files; without them the gateway makes a certificate with an authority of its own, in its state folder. */
    cert: File.optional(),
    key: File.optional(),
    /** Names and addresses under which clients know this gateway, beside those it finds itself. */
    names: z.array(z.string().min(1).max(253)).max(20).default([]),
    /** Key agreements that are accepted; anything but the default serves devices that cannot do better. */
    groups: z
      .array(z.enum([PINNED_GROUP, 'SecP256r1MLKEM768', 'X25519', 'P-256', 'P-384']))
      .min(1)
      .max(5)
      .default([PINNED_GROUP]),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
    message: 'needs both "cert" and "key", or neither',
  });
export type BrokerTls = z.infer<typeof BrokerTls>;

export const BrokerWebSocket = z.strictObject({
  /** @default the broker's host */
  host: Host.optional(),
  port: Port.default(8083),
  path: z.string().startsWith('/').max(200).default('/mqtt'),
  /** With the certificate and groups of `tls`. */
  tls: z.boolean().default(false),
  /** Web pages that may connect, such as `https://panel.example`; a program that is no browser sends no origin. */
  origins: z
    .array(z.string().regex(/^https?:\/\/[^/\s]+$/, 'must be an origin, such as "https://panel.example"'))
    .max(50)
    .default([]),
});
export type BrokerWebSocket = z.infer<typeof BrokerWebSocket>;

export const BrokerConfig = z.strictObject({
  host: Host.default('127.0.0.1'),
  /** 0 = any free port. */
  port: Port.default(1883),
  /** False: no listener without encryption. */
  plain: z.boolean().default(true),
  tls: BrokerTls.optional(),
  websocket: BrokerWebSocket.optional(),
  limits: BrokerLimits.prefault({}),
});
export type BrokerConfig = z.infer<typeof BrokerConfig>;

/** @returns what is wrong with listeners that each are right by themselves; undefined = nothing */
export function listenerProblem(config: Omit<BrokerConfig, 'limits'>): string | undefined {
  if (config.websocket?.tls === true && config.tls === undefined)
    return 'broker.websocket.tls is on, but there is no broker.tls to take the certificate from';
  if (!config.plain && config.tls === undefined && config.websocket === undefined)
    return 'broker.plain is off and there is neither broker.tls nor broker.websocket: nobody could connect';
  return undefined;
}

/** Files beside the configuration, by their whole path. */
export function withAbsoluteFiles(tls: BrokerTls, base: string): BrokerTls {
  const { cert, key, ...rest } = tls;
  if (cert === undefined || key === undefined) return rest;
  return { ...rest, cert: resolve(base, cert), key: resolve(base, key) };
}
