import { readSiteRules } from './automations/read-site-rules.ts';
import { readGatewayConfig } from './config.ts';
import { readSite } from './site.ts';

/**
 * @returns what a gateway with this configuration would read, one line per device
 * @throws InvalidInputError `CONFIG_INVALID` with one line per problem
 */
export async function checkGateway(
  file: string,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const config = await readGatewayConfig(file, variables);
  const site = await readSite(config, variables);
  const rules = await readSiteRules(config, site, variables);
  const devices = site.map(({ id, driver, points }) => {
    const all = Object.values(points);
    const writable = all.filter(({ write }) => write !== undefined).length;
    return `  ${id}: ${driver}, ${all.length} points${writable === 0 ? '' : `, ${writable} writable`}`;
  });
  const ruled = rules.length === 0 ? [] : [`  ${rules.length} rules`];
  const region = config.region === undefined ? 'no region' : `region at ${config.region.address}`;
  return [`${config.name} at ${config.site}, ${region}: ${site.length} devices`, ...devices, ...ruled].join(
    '\n',
  );
}
