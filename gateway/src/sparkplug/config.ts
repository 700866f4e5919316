import { DurationMs, SparkplugBroker, SparkplugId } from '@millwright/protocol';
import { z } from 'zod';

/** The gateway as a Sparkplug edge node, its devices as Sparkplug devices; absent in `gateway.yaml`: off. */
export const SparkplugConfig = z.strictObject({
  group: SparkplugId,
  /** Default: the gateway's name. */
  node: SparkplugId.optional(),
  /** `local` = the gateway's own broker; a list is tried in turn, one at a time. */
  broker: z.union([SparkplugBroker, z.array(SparkplugBroker).min(1).max(8)]).default('local'),
  /** Primary host: nothing is published unless its STATE says that it is online. */
  host: SparkplugId.optional(),
  /** What hosts may write: points whose `write.role` is not above this one. Absent: nothing. */
  role: z.enum(['viewer', 'operator', 'engineer']).optional(),
  /** Changes are gathered for this long, and of each point the newest is sent. */
  every: DurationMs.refine((ms) => ms >= 20 && ms <= 60_000, 'must be 20ms to 60s').prefault('250ms'),
  username: z.string().min(1).max(200).optional(),
  /** Environment variable that holds the password; never the password itself. */
  passwordEnv: z.string().min(1).max(200).optional(),
});
export type SparkplugConfig = z.infer<typeof SparkplugConfig>;
