import type { MqttWire } from './mqtt-wire.ts';
import { readMessage, type WireMessage, type WireMetric } from './sparkplug-message.ts';

/** One message that an edge node or a host application sent, as the bytes on the wire say it. */
export interface Published {
  readonly session: number;
  readonly step: string;
  readonly topic: string;
  /** `NBIRTH` … `DCMD`, `STATE`. */
  readonly type: string;
  readonly device: string | undefined;
  readonly qos: number;
  readonly retain: boolean;
  readonly bytes: Buffer;
  /** Of Sparkplug messages; a STATE has none. */
  readonly message: WireMessage;
}

export function publishedOn(wire: MqttWire): Published[] {
  return wire.of('publish').map(({ session, step, packet }) => {
    const { topic, qos, retain, payload } = packet;
    return { session, step, qos, retain, ...parsed(topic, Buffer.from(payload)) };
  });
}

export function parsed(
  topic: string,
  bytes: Buffer,
): Pick<Published, 'topic' | 'type' | 'device' | 'bytes' | 'message'> {
  const levels = topic.split('/');
  const type = levels[1] === 'STATE' ? 'STATE' : (levels[2] ?? '');
  const message = type === 'STATE' ? { metrics: [] } : readMessage(bytes);
  return { topic, type, device: levels[4], bytes, message };
}

export function metricOf(message: WireMessage, name: string): WireMetric | undefined {
  return message.metrics.find((metric) => metric.name === name);
}

/** `Quality` of a metric, where it stands there. */
export function propertyOf(metric: WireMetric, key: string) {
  const at = metric.properties?.keys.indexOf(key) ?? -1;
  return at < 0 ? undefined : metric.properties?.values[at];
}
