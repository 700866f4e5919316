import type { DeviceSlug } from '@millwright/protocol';
import type { AlarmRegister } from '../alarms/alarm-register.ts';
import { WHOLE_DEVICE } from './device-alarms.ts';

const ALARM = 'driver-restarts';

/** Raises an alarm, one per line, about a driver that fails again and again. */
export function driverAlarm(
  register: Pick<AlarmRegister, 'raise' | 'clear'>,
): (devices: readonly DeviceSlug[], why: string | undefined) => void {
  return (devices, why) => {
    const [device] = devices;
    if (device === undefined) return;
    const name = { device, point: WHOLE_DEVICE, alarm: ALARM };
    const which = devices.length === 1 ? device : `${device} and ${devices.length - 1} more`;
    if (why === undefined) register.clear(name, `the driver of ${which} runs steadily again`);
    else {
      const message = `the driver of ${which} failed 5 times within an hour, at last: ${why} (high)`;
      register.raise({ ...name, priority: 'high', kind: 'gateway', message });
    }
  };
}
