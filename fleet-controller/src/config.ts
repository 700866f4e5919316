import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DurationMs, InvalidInputError, parseYamlDocument, RegionId } from '@millwright/protocol';
import { z } from 'zod';
import { Share } from './summary/share.ts';

const Port = z.int().min(0).max(65_535);
const WebUrl = z
  .string()
  .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'must be an http:// or https:// URL');

/** `region.yaml`. Relative paths are resolved against the file. */
export const RegionConfig = z.strictObject({
  region: RegionId,
  /** API and console. Put a reverse proxy with TLS before it when others than this machine shall reach it. */
  http: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      port: Port.default(7300),
      /** What browsers write into their address line; with https, cookies are marked `Secure`. Default: host and port. */
      publicUrl: WebUrl.optional(),
      /** More names under which requests are answered; addresses and `localhost` always are. */
      hosts: z.array(z.string().min(1)).max(50).default([]),
    })
    .prefault({}),
  /** Where gateways connect; every connection is authenticated and encrypted. */
  uplink: z
    .strictObject({ host: z.string().min(1).default('127.0.0.1'), port: Port.default(7310) })
    .prefault({}),
  /** PostgreSQL 15 or newer; without a URL the controller runs a server of its own. */
  database: z
    .strictObject({
      url: z
        .string()
        .regex(/^postgres(ql)?:\/\//, 'must be like "postgresql://user:password@host:5432/name"')
        .optional(),
    })
    .prefault({}),
  cloud: z.strictObject({ url: WebUrl, tokenFile: z.string().min(1) }).optional(),
  share: Share.prefault({}),
  /** A device that is said to be online and sends nothing for so long is shown as silent. */
  silentAfter: DurationMs.prefault('15m'),
});
export type RegionConfig = z.infer<typeof RegionConfig>;

/** @throws InvalidInputError `CONFIG_INVALID` with a line per problem, `CONFIG_MISSING` */
export async function readRegionConfig(
  file: string,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<RegionConfig> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new InvalidInputError('CONFIG_MISSING', `cannot read ${file}`, {
      hint: 'name a region.yaml with --config',
      cause,
    });
  });
  const config = parseYamlDocument({ name: file, text }, RegionConfig, { variables });
  if (config.cloud === undefined) return config;
  return { ...config, cloud: { ...config.cloud, tokenFile: resolve(dirname(file), config.cloud.tokenFile) } };
}
