import type { DeviceSpecOf, PointId } from '@millwright/protocol';
import type { DevicePlan } from '../driver.ts';
import { deviceTopic, NAMESPACE, nodeTopic, stateTopic } from './topic.ts';

/** What a host application listens to for one device, and what it says. */
export function planOf({ connect, points }: DeviceSpecOf<'sparkplug'>): DevicePlan {
  const { group, node, device, host = 'a name kept in the state folder' } = connect;
  const command = device === undefined ? nodeTopic('NCMD', connect) : deviceTopic('DCMD', connect, device);
  const isWritten = Object.values(points).some(({ write }) => write !== undefined);
  return {
    requests: [
      {
        request: `subscribe ${NAMESPACE}/${group}/+/${node}/#`,
        points: Object.keys(points) as PointId[],
        detail: 'births, data and deaths',
      },
      { request: `publish ${stateTopic(host)}`, points: [], detail: 'that this host is online' },
    ],
    notes: [
      `asks on ${nodeTopic('NCMD', connect)} for a rebirth when a message is missing`,
      ...(isWritten ? [`writes go to ${command}`] : []),
    ],
  };
}
