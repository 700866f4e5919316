import {
  type AlarmCommand,
  type Clock,
  MillwrightError,
  type Receipt,
  withDeadline,
} from '@millwright/protocol';
import type { AlarmRegister } from './alarm-register.ts';
import { AlarmRequest } from './alarm-request.ts';
import { WORDS } from './alarm-state.ts';

const RECORDED_WITHIN_MS = 10_000;

export interface AlarmCommandsDeps {
  readonly clock: Clock;
  readonly register: Pick<AlarmRegister, 'request'>;
}

/** Carries out what the region's people ask of alarms. Never rejects: whatever goes wrong is in the receipt. */
export function alarmCommands({
  clock,
  register,
}: AlarmCommandsDeps): (command: AlarmCommand) => Promise<Receipt> {
  return async (command) => {
    const { id, action, by, device, point, alarm, reason, forMs } = command;
    const refused = (code: string, message: string): Receipt => ({
      ...{ id, result: 'refused', code: code.slice(0, 50), message: message.slice(0, 500) },
      atMs: clock.wallMs(),
    });
    if (clock.wallMs() > command.expiresAtMs)
      return refused('EXPIRED', "the request expired by this gateway's clock");
    if (by.role === 'viewer') return refused('ROLE', `${by.name} is viewer; this takes operator`);
    const request = AlarmRequest.safeParse({ action, by: by.name, reason, forMs });
    if (!request.success) {
      const [issue] = request.error.issues;
      return refused('INVALID', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a request'}`);
    }
    try {
      const limits = { clock, withinMs: RECORDED_WITHIN_MS, what: 'the disk' };
      const asked = () => register.request({ device, point, alarm }, request.data);
      const { state } = await withDeadline(limits, asked);
      return {
        id,
        result: 'done',
        message: `${device} ${point} ${alarm} is ${WORDS[state]}`,
        atMs: clock.wallMs(),
      };
    } catch (error) {
      if (error instanceof MillwrightError && error.retry !== 'backoff')
        return refused(error.code, error.message);
      const message = `it may not be recorded: ${error instanceof Error ? error.message : String(error)}`;
      return {
        id,
        result: 'unknown',
        code: 'NOT_RECORDED',
        message: message.slice(0, 500),
        atMs: clock.wallMs(),
      };
    }
  };
}
