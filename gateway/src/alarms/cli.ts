import { userInfo } from 'node:os';
import type { AlarmAction } from '@millwright/protocol';
import type { Command } from 'commander';
import type { GatewayClient } from '../api/gateway-client.ts';

export interface GatewayFlags {
  readonly gateway: string;
  readonly state?: string;
  readonly by?: string;
  readonly json?: boolean;
}

interface AlarmFlags extends GatewayFlags {
  readonly reason?: string;
  readonly for?: string;
}

/** The options of every verb that talks to a running gateway. */
export function withGateway(command: Command): Command {
  return command
    .option('--gateway <url>', 'where its API is', 'http://127.0.0.1:8470/')
    .option('--state <directory>', 'its state folder, for the token that changing something takes')
    .option('--by <name>', 'who you are, for the journal; default the user of this shell')
    .option('--json', 'print JSON');
}

export async function clientOf(flags: GatewayFlags): Promise<GatewayClient> {
  const { GatewayClient } = await import('../api/gateway-client.ts');
  const token = process.env.MILLWRIGHT_TOKEN;
  return new GatewayClient({ url: flags.gateway, state: flags.state, token });
}

export function whoOf({ by }: GatewayFlags): string {
  return by ?? userInfo().username;
}

async function durationOf(text: string): Promise<number> {
  const { DurationMs, InvalidInputError } = await import('@millwright/protocol');
  const parsed = DurationMs.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidInputError('USAGE', `--for: ${parsed.error.issues[0]?.message ?? 'is not a duration'}`);
}

const VERBS = [
  ['ack', 'acknowledge', 'Say that you have seen an alarm'],
  ['shelve', 'shelve', 'Keep an alarm from the list for a time; --reason is needed'],
  ['unshelve', 'unshelve', 'Bring a shelved alarm back before its time'],
  [
    'out-of-service',
    'take-out-of-service',
    'Take an alarm out of service until you put it back; --reason is needed',
  ],
  ['in-service', 'return-to-service', 'Put an alarm back in service'],
] as const satisfies readonly (readonly [string, AlarmAction, string])[];

/** `millwright alarm …` */
export function registerAlarms(program: Command): void {
  const alarm = program.command('alarm').description('Alarms of a running gateway');

  withGateway(alarm.command('list'))
    .description('List the alarms that are not normal, newest first')
    .addHelpText('after', '\nExample:\n  millwright alarm list --gateway http://127.0.0.1:8470/')
    .action(async (flags: GatewayFlags) => {
      const listed = await (await clientOf(flags)).alarms();
      const { alarmTable } = await import('./alarm-table.ts');
      console.log(flags.json ? JSON.stringify(listed, undefined, 2) : alarmTable(listed));
    });

  for (const [verb, action, description] of VERBS) {
    const command = withGateway(alarm.command(`${verb} <device> <point> <alarm>`))
      .description(description)
      .option('--reason <text>', 'why, for the journal')
      .action(async (device: string, point: string, name: string, flags: AlarmFlags) => {
        const after = await (await clientOf(flags)).changeAlarm({ device, point, alarm: name }, action, {
          by: whoOf(flags),
          ...(flags.reason === undefined ? {} : { reason: flags.reason }),
          ...(flags.for === undefined ? {} : { forMs: await durationOf(flags.for) }),
        });
        console.log(
          flags.json ? JSON.stringify(after, undefined, 2) : `${device} ${point} ${name}: ${after.state}`,
        );
      });
    if (verb === 'shelve') command.option('--for <duration>', 'how long: 30m, 8h, 2d; at most 7d', '1h');
  }
}
