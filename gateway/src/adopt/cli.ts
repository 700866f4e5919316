import type { Command } from 'commander';
import { clientOf, type GatewayFlags, withGateway } from '../alarms/cli.ts';

/** `millwright device pending|adopt|dismiss`: beside what the drivers can do with devices. */
export function registerAdopt(program: Command): void {
  const known = program.commands.find((command) => command.name() === 'device');
  const device = known ?? program.command('device');

  withGateway(device.command('pending'))
    .description('List devices that a running gateway has found and does not read yet')
    .addHelpText('after', '\nExample:\n  millwright device pending --gateway http://127.0.0.1:8470/')
    .action(async (flags: GatewayFlags) => {
      const { items, refused } = await (await clientOf(flags)).pending();
      const { pendingTable } = await import('./pending-table.ts');
      console.log(flags.json ? JSON.stringify(items, undefined, 2) : pendingTable(items));
      if (refused > 0) console.log(`${refused} more were found and not noted: the list is full.`);
    });

  withGateway(device.command('adopt <id>'))
    .description('Make a found device a device of the gateway; its values flow at once')
    .option('--as <id>', 'another id than the one it waits under')
    .addHelpText('after', '\nExample:\n  millwright device adopt hall-th --state /var/lib/millwright/gateway')
    .action(async (id: string, flags: GatewayFlags & { readonly as?: string }) => {
      const body = flags.as === undefined ? {} : { as: flags.as };
      const adopted = await (await clientOf(flags)).adopt(id, body);
      console.log(
        flags.json ? JSON.stringify({ id: adopted }) : `${adopted} is a device of this gateway now`,
      );
    });

  withGateway(device.command('dismiss <id>'))
    .description('Take a found device from the list, until the gateway is restarted')
    .addHelpText(
      'after',
      '\nExample:\n  millwright device dismiss hall-th --state /var/lib/millwright/gateway',
    )
    .action(async (id: string, flags: GatewayFlags) => {
      await (await clientOf(flags)).dismiss(id);
      console.log(flags.json ? JSON.stringify({ id }) : `${id} is not listed any more`);
    });
}
