import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  DurationMs,
  InvalidInputError,
  Location,
  parseYamlDocument,
  SiteId,
  Slug,
} from '@millwright/protocol';
import { z } from 'zod';
import { AdoptConfig } from './adopt/config.ts';
import { ApiConfig } from './api/config.ts';
import { BridgesConfig } from './broker/bridge/config.ts';
import { BrokerConfig, listenerProblem, withAbsoluteFiles } from './broker/config.ts';
import { JournalConfig } from './journal/config.ts';
import { OpcuaServerConfig } from './opcua-server/config.ts';
import { PublishConfig } from './publish/config.ts';
import { SparkplugConfig } from './sparkplug/config.ts';

const UNITS = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** A size as people write it (`512MiB`, `1GiB`); parsed to bytes. */
const SizeBytes = z.string().transform((text, context) => {
  const match = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)$/.exec(text);
  if (match === null) {
    const message = `"${text}" is not a size; write it like "512MiB" or "1GiB"`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }
  return Math.floor(Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]);
});

const JournalFile = z
  .strictObject({
    /** Bound of what waits for the region, or is kept when there is none. */
    maxBytes: SizeBytes.optional(),
    /** Samples are on disk after this at most. */
    durableWithin: DurationMs.optional(),
    /** Frames go to the region after this at most. */
    frameAge: DurationMs.optional(),
  })
  .transform(({ maxBytes, durableWithin, frameAge }, context) => {
    const parsed = JournalConfig.safeParse({
      ...(maxBytes === undefined ? {} : { maxBytes }),
      ...(durableWithin === undefined ? {} : { durableWithinMs: durableWithin }),
      ...(frameAge === undefined ? {} : { frameAgeMs: frameAge }),
    });
    if (parsed.success) return parsed.data;
    for (const { path, message } of parsed.error.issues) {
      context.addIssue({ code: 'custom', message, path: [NAMES[String(path[0])] ?? 'journal'] });
    }
    return z.NEVER;
  });
const NAMES: Readonly<Record<string, string>> = {
  maxBytes: 'maxBytes',
  durableWithinMs: 'durableWithin',
  frameAgeMs: 'frameAge',
};

const RegionFile = z.strictObject({
  /** Where the region is: a multiaddr or `host:port`. */
  address: z.string().min(1).max(300),
  /** The one-off token this gateway enrols with; read again until it has. */
  tokenFile: z.string().min(1).default('enrolment-token'),
});

/** `gateway.yaml`. Paths are relative to the file. */
const GatewayFile = z.strictObject({
  name: Slug,
  site: SiteId,
  /** Absent: this gateway is on its own. */
  region: RegionFile.optional(),
  http: ApiConfig.prefault({}),
  broker: BrokerConfig.extend({
    /** Who may use it; default in the state folder, kept by `millwright gateway credential`. */
    credentials: z.string().min(1).optional(),
  })
    .superRefine((broker, context) => {
      const message = listenerProblem(broker);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    })
    .prefault({}),
  /** Standing exchanges with other brokers. */
  bridges: BridgesConfig,
  journal: JournalFile.prefault({}),
  /** How devices are found that are not in the site file. */
  adopt: AdoptConfig.prefault({}),
  /** What others are told by MQTT: values as JSON, devices for Home Assistant. */
  publish: PublishConfig.prefault({}),
  /** The gateway as a Sparkplug edge node. */
  sparkplug: SparkplugConfig.optional(),
  /** The points of this gateway for clients that speak OPC UA. */
  opcuaServer: OpcuaServerConfig.optional(),
  /** The site file: a list of devices. */
  devices: z.string().min(1),
  /** Folders with device types, beside the shipped ones. */
  types: z.array(z.string().min(1)).max(50).default([]),
  /** Watch every analogue point for what is unusual. */
  detectors: z.boolean().default(true),
  /** Rule files, or globs such as `rules.d/*.yaml`. */
  rules: z
    .union([
      z
        .string()
        .min(1)
        .transform((file) => [file]),
      z.array(z.string().min(1)).max(1000),
    ])
    .default([]),
  /** For rules that go by the clock or the sun. */
  location: Location.prefault({}),
});
export type GatewayConfig = z.infer<typeof GatewayFile> & {
  /** The file it was read from. */
  readonly file: string;
};

/**
 * Reads a gateway's configuration and makes its paths absolute.
 * @throws InvalidInputError `CONFIG_INVALID` with one line per problem; `FILE_MISSING`
 */
export async function readGatewayConfig(
  file: string,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<GatewayConfig> {
  const text = await readText(file, 'the gateway configuration');
  const parsed = parseYamlDocument({ name: file, text }, GatewayFile, { variables });
  const base = dirname(file);
  const { region, broker } = parsed;
  return {
    ...parsed,
    file,
    devices: resolve(base, parsed.devices),
    types: parsed.types.map((folder) => resolve(base, folder)),
    rules: parsed.rules.map((pattern) => resolve(base, pattern)),
    ...(region === undefined ? {} : { region: { ...region, tokenFile: resolve(base, region.tokenFile) } }),
    broker: {
      ...broker,
      ...(broker.credentials === undefined ? {} : { credentials: resolve(base, broker.credentials) }),
      ...(broker.tls === undefined ? {} : { tls: withAbsoluteFiles(broker.tls, base) }),
    },
  };
}

export async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new InvalidInputError('FILE_MISSING', `cannot read ${what}: ${file}`, {
      hint: 'check the path and that this user may read it',
      cause,
    });
  }
}
