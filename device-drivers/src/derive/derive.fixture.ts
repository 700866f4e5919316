import { type DeviceSpec, resolveSite } from '@millwright/protocol';
import { shippedTypeFiles } from '../simulators/shipped-types.ts';

const SITE = `
- { id: meter-7, type: energy-meter@1, name: "Main | meter", connect: { tcp: "10.0.4.7:502", unit: 7 } }
- { id: pump-1, type: pump-skid@1, connect: { tcp: "10.0.4.8:502" } }
- { id: ahu-1, type: air-handler@1, connect: { url: "opc.tcp://10.0.4.20:4840" } }
- { id: office, type: room-thermostat@1, connect: { broker: local, base: rooms/office } }
- { id: box, type: this-machine@1 }
- id: drive
  driver: modbus
  connect: { serial: /dev/ttyUSB0, unit: 3 }
  points:
    speed: { at: 0, as: uint16, scale: 0.1, unit: Hz, write: { range: [0, 50] } }
- id: valve
  driver: modbus
  connect: { tcp: "10.0.4.9:502" }
  points:
    state: { at: 0, as: uint16, bits: [0, 2], enum: { 0: closed, 1: moving, 2: open } }
    level: { at: 1, as: int32, order: CDAB, scale: 0.01, unit: m, alarms: { high: { at: 4, delay: 5s } } }
    mode: { table: coil, at: 0, as: bool, write: { role: engineer, interlock: "state == 0 || level < 1.0" } }
    tag: { at: 10, as: text, length: 4 }
    half: { at: 20, as: float16 }
`;

/** Devices of every driver, with what makes them different. */
export async function aSite(): Promise<Map<string, DeviceSpec>> {
  const specs = resolveSite({ site: { name: 'site.yaml', text: SITE }, types: await shippedTypeFiles() });
  return new Map(specs.map((spec) => [spec.id, spec]));
}

export function named(site: ReadonlyMap<string, DeviceSpec>, id: string): DeviceSpec {
  const spec = site.get(id);
  if (spec === undefined) throw new TypeError(`there is no ${id}`);
  return spec;
}
