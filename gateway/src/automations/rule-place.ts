import type { DeviceSpec, Location } from '@millwright/protocol';
import { readGatewayConfig } from '../config.ts';
import { readSite } from '../site.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

/** Where rules are looked at, when a gateway configuration says it. */
export interface RulePlace {
  readonly location?: Location;
  readonly site?: readonly DeviceSpec[];
}

/** @throws InvalidInputError `CONFIG_INVALID`, `FILE_MISSING` */
export async function placeOf(flags: { readonly config?: string }, variables: Variables): Promise<RulePlace> {
  if (flags.config === undefined) return {};
  const config = await readGatewayConfig(flags.config, variables);
  return { location: config.location, site: await readSite(config, variables) };
}
