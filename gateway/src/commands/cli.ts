import type { Command } from 'commander';
import { clientOf, type GatewayFlags, whoOf, withGateway } from '../alarms/cli.ts';

interface WriteFlags extends GatewayFlags {
  readonly dryRun?: boolean;
  readonly id?: string;
}

/** `millwright gateway write …` */
export function registerWrite(gateway: Command): void {
  withGateway(gateway.command('write <device> <point> <value>'))
    .description('Write a point through a running gateway: checked, recorded, read back')
    .option('--dry-run', 'go through every check and say what would be written, but move nothing')
    .option('--id <id>', 'repeated with the same id, the first receipt is given again and nothing moves')
    .addHelpText(
      'after',
      [
        '',
        'true, false and numbers are taken as such, everything else as text; a negative number goes after "--".',
        'Ends with 0 when it was done, 1 when it was refused, 3 when nobody knows.',
        '',
        'Example:',
        '  millwright gateway write pump-1 speed 1200 --state /var/lib/millwright/gateway --dry-run',
      ].join('\n'),
    )
    .action(async (device: string, point: string, text: string, flags: WriteFlags) => {
      const client = await clientOf(flags);
      const receipt = await client.write(
        { device, point },
        {
          value: asValue(text),
          by: whoOf(flags),
          dryRun: flags.dryRun ?? false,
          ...(flags.id === undefined ? {} : { id: flags.id }),
        },
      );
      const code = receipt.code === undefined ? '' : ` (${receipt.code})`;
      const raw = receipt.raw === undefined ? [] : [`  on the wire: ${receipt.raw}`];
      const words = [`${receipt.result}${code}: ${receipt.message}`, ...raw].join('\n');
      console.log(flags.json ? JSON.stringify(receipt, undefined, 2) : words);
      if (receipt.result !== 'done') process.exitCode = receipt.result === 'unknown' ? 3 : 1;
    });
}

/** Integers beyond 2^53 stay text, which the gateway reads exactly. */
function asValue(text: string): boolean | number | string {
  if (text === 'true' || text === 'false') return text === 'true';
  const value = Number(text);
  const isExact = !Number.isInteger(value) || Number.isSafeInteger(value);
  return text.trim() !== '' && Number.isFinite(value) && isExact ? value : text;
}
