import type { Value, WriteCommand } from '@millwright/protocol';
import type {
  CommandDevice,
  CommandDevices,
  CommandInterlocks,
  CommandPoint,
  CommandPoints,
} from './ports.ts';
import { targetValueOf } from './target-value.ts';

/** How far the clocks of region and gateway may disagree before a command's times mean nothing. */
const MAX_SKEW_MS = 5 * 60_000;

const RANK = { viewer: 0, operator: 1, engineer: 2 } as const;

export interface Refusal {
  readonly ok: false;
  readonly code: string;
  readonly message: string;
}

export type Checked =
  | Refusal
  | {
      readonly ok: true;
      readonly device: CommandDevice;
      readonly driver: NonNullable<CommandDevice['driver']>;
      readonly point: CommandPoint;
      readonly value: Exclude<Value, null>;
    };

export function refuse(code: string, message: string): Refusal {
  return { ok: false, code, message };
}

/** Everything that must hold before a machine is touched, in this order; the first that does not is the answer. */
export function checkCommand(
  command: WriteCommand,
  deps: {
    readonly points: CommandPoints;
    readonly devices: CommandDevices;
    readonly interlocks: CommandInterlocks;
    readonly nowMs: number;
  },
): Checked {
  const time = checkTime(command, deps.nowMs);
  if (time !== undefined) return time;
  const device = deps.devices.find(command.device);
  if (device === undefined) return refuse('DEVICE_UNKNOWN', `this gateway has no device "${command.device}"`);
  const point = deps.points.find(command.device, command.point);
  if (point === undefined) return refuse('POINT_UNKNOWN', `${device.name} has no point "${command.point}"`);
  const rule = point.spec.write;
  if (rule === undefined)
    return refuse('NOT_WRITABLE', `"${command.point}" of ${device.name} is not writable`);
  if (RANK[command.by.role] < RANK[rule.role]) {
    return refuse('ROLE', `${command.by.name} is ${command.by.role}; writing this point takes ${rule.role}`);
  }
  if (rule.risk === 'high') {
    return refuse(
      'APPROVAL_REQUIRED',
      'the point is marked high risk and takes an approval, which does not exist yet',
    );
  }
  const target = targetValueOf(command.value, point.kind, rule.range);
  if (!target.ok) return target;
  if (!device.online || device.driver === undefined) {
    return refuse(
      'DEVICE_OFFLINE',
      `${device.name} is offline${device.why === undefined ? '' : `: ${device.why}`}`,
    );
  }
  const interlock = checkInterlock(point, deps.interlocks);
  if (interlock !== undefined) return interlock;
  return { ok: true, device, driver: device.driver, point, value: target.value };
}

export function checkTime(command: WriteCommand, nowMs: number): Refusal | undefined {
  if (nowMs > command.expiresAtMs) {
    const lateS = Math.ceil((nowMs - command.expiresAtMs) / 1000);
    return refuse('EXPIRED', `the command expired ${lateS} s ago by this gateway's clock`);
  }
  if (command.issuedAtMs - nowMs > MAX_SKEW_MS) {
    return refuse('CLOCK_SKEW', "the command was issued in this gateway's future; check the clocks of both");
  }
  return undefined;
}

export function checkInterlock(point: CommandPoint, interlocks: CommandInterlocks): Refusal | undefined {
  const rule = point.spec.write;
  const why = rule === undefined ? undefined : interlocks.refusal(point.no, rule);
  return why === undefined ? undefined : refuse('INTERLOCK', `the interlock says no: ${why}`);
}
