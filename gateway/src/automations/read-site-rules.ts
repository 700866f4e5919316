import type { DeviceSpec } from '@millwright/protocol';
import type { RuleSpec } from '@millwright/protocol/automation';
import type { GatewayConfig } from '../config.ts';

/**
 * The rules of a gateway, checked against its devices. A gateway without rules loads nothing for them.
 * @throws InvalidInputError `CONFIG_INVALID` with one line per problem; `FILE_MISSING`
 */
export async function readSiteRules(
  config: Pick<GatewayConfig, 'rules' | 'location'>,
  site: readonly DeviceSpec[],
  variables: Readonly<Record<string, string | undefined>>,
): Promise<RuleSpec[]> {
  if (config.rules.length === 0) return [];
  const { readRuleFiles } = await import('./rule-files.ts');
  const rules = await readRuleFiles(config.rules, { variables, location: config.location, site });
  return rules.map(({ spec }) => spec);
}
