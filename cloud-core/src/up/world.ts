import { RegionId, SiteId, Slug } from '@millwright/protocol';
import { z } from 'zod';

const PortName = z.string().regex(/^[A-Z][A-Z0-9_]*$/, 'must be an upper-case name, such as "NORTH_HTTP"');

/** A whole small world on one machine: `world.yaml`. Paths are relative to it. */
export const World = z.strictObject({
  name: Slug,
  /**
   * Every port the world listens on: name → offset from the port base. The names are handed to all
   * configuration files as variables, so that `${NORTH_HTTP}` is written there.
   */
  ports: z.record(PortName, z.int().min(0).max(99)),
  cloud: z.strictObject({ config: z.string(), http: PortName }),
  regions: z
    .array(z.strictObject({ id: RegionId, config: z.string(), http: PortName, uplink: PortName }))
    .min(1),
  gateways: z
    .array(
      z.strictObject({
        id: Slug,
        site: SiteId,
        region: RegionId,
        config: z.string(),
        /** MQTT accounts of simulated devices: name → topic filters it may publish and subscribe to. */
        mqttAccounts: z
          .record(Slug, z.strictObject({ publish: z.array(z.string()), subscribe: z.array(z.string()) }))
          .default({}),
      }),
    )
    .min(1),
  simulators: z.strictObject({ config: z.string() }),
});
export type World = z.infer<typeof World>;

/** What automation needs to know once the world runs: the content of `--ready-file`. */
export interface ReadyFile {
  /** Address of the first region's console. */
  readonly console: string;
  /** One-time sign-in link of that console. */
  readonly signIn: string;
  readonly cloud: string;
  /** Region → base URL of its API. */
  readonly api: Readonly<Record<string, string>>;
  /** Bearer token that every API of this world accepts. */
  readonly token: string;
  readonly vault: string;
  readonly state: string;
  readonly processes: Readonly<Record<string, number>>;
}
