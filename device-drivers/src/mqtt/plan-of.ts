import type { DeviceSpecOf, PointId } from '@millwright/protocol';
import type { DevicePlan, PlannedRequest } from '../driver.ts';

/** The topics that will be subscribed to, and those that writes go to. */
export function planOf({ connect, points }: DeviceSpecOf<'mqtt'>): DevicePlan {
  const full = (topic: string) =>
    topic.startsWith('~') && connect.base !== undefined ? connect.base + topic.slice(1) : topic;
  const byTopic = new Map<string, PointId[]>();
  for (const [id, { topic }] of Object.entries(points)) {
    const ids = byTopic.get(full(topic)) ?? [];
    byTopic.set(full(topic), ids);
    ids.push(id as PointId);
  }
  const subscribed = [...byTopic].map(
    ([topic, ids]): PlannedRequest => ({
      request: `subscribe ${topic}`,
      points: ids,
    }),
  );
  const availability: PlannedRequest[] =
    connect.availability === undefined
      ? []
      : [{ request: `subscribe ${full(connect.availability)}`, points: [], detail: 'whether it is online' }];
  const notes = Object.entries(points).flatMap(([id, { command }]) =>
    command === undefined ? [] : [`${id} is written to ${full(command.topic)}`],
  );
  return { requests: [...subscribed, ...availability], notes };
}
