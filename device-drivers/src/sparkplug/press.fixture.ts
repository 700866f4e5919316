import { type DeviceSpecOf, InlineDevice, PointId, PointNo } from '@millwright/protocol';
import type { DriverDevice } from '../driver.ts';
import { DEVICE, NODE, TestEdgeNode } from './edge-node.fixture.ts';

export const TEMPERATURE = PointId.parse('temperature');
export const SETPOINT = PointId.parse('setpoint');
export const METRIC: ReadonlyMap<PointId, string> = new Map([
  [TEMPERATURE, 'Bearing/Temperature'],
  [SETPOINT, 'Setpoint'],
]);

/** What the contract suite is told of the press. */
export const PRESS_POINTS = { number: TEMPERATURE, writable: SETPOINT, spoilable: TEMPERATURE } as const;

/** The press as a device of a gateway. */
export function pressAt(broker: string): DriverDevice<'sparkplug'> {
  const spec = InlineDevice.parse({
    id: 'press-2',
    driver: 'sparkplug',
    connect: { broker, ...NODE, device: DEVICE, host: 'box', reorder: '300ms' },
    points: {
      temperature: { metric: 'Bearing/Temperature', as: 'float64', unit: 'Cel' },
      setpoint: { metric: 'Setpoint', as: 'float64', write: { range: [0, 200] } },
    },
  }) as DeviceSpecOf<'sparkplug'>;
  return { spec, numbers: new Map([...METRIC.keys()].map((id, at) => [id, PointNo.parse(at)])) };
}

/** The press itself, behind its edge node. */
export function pressEdgeNode(url: string): TestEdgeNode {
  return new TestEdgeNode(url, {
    'Bearing/Temperature': { type: 'Double', value: 20 },
    Setpoint: { type: 'Int32', value: 20 },
  });
}
