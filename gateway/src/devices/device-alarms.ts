import type { DeviceAlarm, DeviceEvent } from '@millwright/device-drivers';
import { type DeviceSlug, type Logger, PointId } from '@millwright/protocol';
import { type AlarmName, type AlarmPriority, keyOf } from '../alarms/alarm-record.ts';
import type { AlarmRegister } from '../alarms/alarm-register.ts';
import type { GatewayEvents } from '../gateway-events.ts';

/** Stands for the device as a whole, where it does not say which of its points an alarm is about. */
export const WHOLE_DEVICE = PointId.parse('_device');
const MAX_NAME = 200;

export interface DeviceAlarmsDeps {
  readonly logger: Logger;
  readonly register: Pick<AlarmRegister, 'raise' | 'clear' | 'standing' | 'list' | 'request'>;
  readonly events: Pick<GatewayEvents, 'note'>;
}

/** Brings what devices raise themselves into the gateway's alarms, and what they tell into its journal. */
export class DeviceAlarms {
  readonly #deps: DeviceAlarmsDeps;

  constructor(deps: DeviceAlarmsDeps) {
    this.#deps = deps;
  }

  readonly onAlarm = (told: DeviceAlarm): void => {
    const { device, point = WHOLE_DEVICE, active, severity, message } = told;
    const name = { device, point, alarm: told.alarm.slice(0, MAX_NAME) };
    if (active)
      this.#deps.register.raise({ ...name, priority: priorityOf(severity), kind: 'device', message });
    else this.#deps.register.clear(name, message);
    if (told.acked) this.#acknowledge(name, told.source);
  };

  /** Somebody at the device has seen it: nobody here has to. */
  #acknowledge(name: AlarmName, source: string): void {
    const { register, logger } = this.#deps;
    const key = keyOf(name);
    const known = register.list().find((alarm) => keyOf(alarm) === key);
    if (known?.state !== 'unacknowledged' && known?.state !== 'returned') return;
    const by = `at ${source || name.device}`.slice(0, 100);
    register.request(name, { action: 'acknowledge', by }).catch((error: unknown) => {
      logger.warn(
        { device: name.device, alarm: name.alarm, err: error },
        'not acknowledged as at the device',
      );
    });
  }

  readonly onAlarmList = (device: DeviceSlug, active: ReadonlySet<string>): void => {
    const names = new Set([...active].map((name) => name.slice(0, MAX_NAME)));
    for (const known of this.#deps.register.standing()) {
      if (known.kind !== 'device' || known.device !== device || names.has(known.alarm)) continue;
      this.#deps.register.clear(known, `${known.message}: ended while the device was away`);
    }
  };

  readonly onEvent = ({ device, message, source, severity, atMs, gap }: DeviceEvent): void => {
    const data = {
      atMs,
      ...(source === undefined ? {} : { source }),
      ...(severity === undefined ? {} : { severity }),
      ...(gap === undefined ? {} : gap),
    };
    void this.#deps.events.note(gap === undefined ? 'device.event' : 'device.gap', message, { device, data });
  };
}

/** Quarters of the scale. @see OPC UA Part 5 §6.4.2, which leaves the borders to the application */
function priorityOf(severity: number): AlarmPriority {
  if (severity > 750) return 'critical';
  if (severity > 500) return 'high';
  return severity > 250 ? 'medium' : 'low';
}
