import {
  type DeviceSlug,
  InvalidInputError,
  type MqttPoint,
  type PointId,
  type PointNo,
} from '@millwright/protocol';
import { JSONPathEnvironment, type JSONPathQuery } from 'json-p3';
import type { DriverDevice } from '../driver.ts';
import { expandTopic } from './topic.ts';

const jsonPath = new JSONPathEnvironment();

export interface MqttPointPlan {
  readonly id: PointId;
  readonly no: PointNo;
  readonly spec: MqttPoint;
  readonly filter: string;
  readonly pick: JSONPathQuery | undefined;
  readonly commandTopic: string | undefined;
  /** A message has contained it. */
  matched: boolean;
}

/** A device with its topics expanded and its paths compiled, and what is known of its reachability. */
export class MqttDevice {
  readonly slug: DeviceSlug;
  readonly points: readonly MqttPointPlan[];
  readonly availability: string | undefined;
  /** What its availability topic said on this connection. */
  heard: 'online' | 'offline' | 'nothing' = 'nothing';
  /** It has an availability topic and did not use it in time. */
  silent = false;
  told: 'up' | 'down' | undefined;
  /** Something may be shown as good that is not marked bad yet. */
  fresh = true;

  /** @throws InvalidInputError for a topic or a path that cannot work */
  constructor(device: DriverDevice<'mqtt'>) {
    const { id, connect, points } = device.spec;
    this.slug = id;
    this.availability =
      connect.availability === undefined ? undefined : expandTopic(connect.availability, connect.base);
    this.points = [...device.numbers].map(([pointId, no]) => {
      const spec = points[pointId];
      if (spec === undefined) {
        throw new InvalidInputError('UNKNOWN_POINT', `device "${id}" has no point "${pointId}"`);
      }
      const where = `device "${id}", point "${pointId}"`;
      const commandTopic = spec.command && expandTopic(spec.command.topic, connect.base);
      return {
        id: pointId,
        no,
        spec,
        filter: expandTopic(spec.topic, connect.base),
        pick: spec.pick === undefined ? undefined : compile(spec.pick, where),
        commandTopic,
        matched: false,
      };
    });
  }
}

function compile(path: string, where: string): JSONPathQuery {
  try {
    return jsonPath.compile(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidInputError('JSONPATH_INVALID', `${where}: "${path}" is not a JSONPath: ${why}`, {
      cause,
    });
  }
}
