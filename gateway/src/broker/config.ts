import { z } from 'zod';

const count = (fallback: number, max = 1_000_000) => z.int().min(1).max(max).default(fallback);

/** Bounds of the broker; a client that crosses one is refused or disconnected, the others are served on. */
export const BrokerLimits = z.strictObject({
  payloadBytes: count(64 * 1024, 16 * 1024 * 1024),
  connections: count(1000),
  subscriptionsPerClient: count(200),
  /** Per client; a client above it is slowed down, not cut. */
  publishesPerSecond: count(5000),
  /** Per address: sustained rate and burst of new connections. */
  connectsPerSecond: count(50),
  connectBurst: count(500),
  retainedMessages: count(10_000),
  retainedBytes: count(32 * 1024 * 1024, 1024 * 1024 * 1024),
  /** Sessions kept for clients that connect with "clean session" off. */
  sessions: count(500),
  queuedMessagesPerSession: count(1000),
  queuedBytes: count(16 * 1024 * 1024, 1024 * 1024 * 1024),
});
export type BrokerLimits = z.infer<typeof BrokerLimits>;

export const BrokerConfig = z.strictObject({
  host: z.string().min(1).max(255).default('127.0.0.1'),
  /** 0 = any free port. */
  port: z.int().min(0).max(65535).default(1883),
  limits: BrokerLimits.prefault({}),
});
export type BrokerConfig = z.infer<typeof BrokerConfig>;
