import { isSparkplugId } from '@millwright/protocol';

export const NAMESPACE = 'spBv1.0';

const NODE_TYPES = ['NBIRTH', 'NDEATH', 'NDATA', 'NCMD'] as const;
const DEVICE_TYPES = ['DBIRTH', 'DDEATH', 'DDATA', 'DCMD'] as const;
export type NodeMessage = (typeof NODE_TYPES)[number];
export type DeviceMessage = (typeof DEVICE_TYPES)[number];

/** Group and edge node: together unique in the whole infrastructure. */
export interface EdgeNodeId {
  readonly group: string;
  readonly node: string;
}

export type SparkplugTopic =
  | (EdgeNodeId & { readonly type: NodeMessage; readonly device?: undefined })
  | (EdgeNodeId & { readonly type: DeviceMessage; readonly device: string })
  | { readonly type: 'STATE'; readonly host: string };

export function nodeTopic(type: NodeMessage, { group, node }: EdgeNodeId): string {
  return `${NAMESPACE}/${group}/${type}/${node}`;
}

export function deviceTopic(type: DeviceMessage, { group, node }: EdgeNodeId, device: string): string {
  return `${NAMESPACE}/${group}/${type}/${node}/${device}`;
}

export function stateTopic(host: string): string {
  return `${NAMESPACE}/STATE/${host}`;
}

/** @returns undefined for a topic that is not Sparkplug's, or has a device where none belongs and the reverse */
export function parseTopic(topic: string): SparkplugTopic | undefined {
  const [namespace, group, type, node, device, ...rest] = topic.split('/');
  if (namespace !== NAMESPACE || group === undefined || type === undefined || rest.length > 0)
    return undefined;
  if (group === 'STATE') {
    return node === undefined && isSparkplugId(type) ? { type: 'STATE', host: type } : undefined;
  }
  if (node === undefined || !isSparkplugId(group) || !isSparkplugId(node)) return undefined;
  const nodeType = NODE_TYPES.find((each) => each === type);
  if (nodeType !== undefined) return device === undefined ? { type: nodeType, group, node } : undefined;
  const deviceType = DEVICE_TYPES.find((each) => each === type);
  if (deviceType === undefined || device === undefined || !isSparkplugId(device)) return undefined;
  return { type: deviceType, group, node, device };
}
