import type { MqttLink } from '@millwright/device-drivers';
import type { Clock, Lifecycle, Logger } from '@millwright/protocol';
import type { GatewayConfig } from '../config.ts';
import type { PendingDevices } from '../devices/pending-devices.ts';
import type { Kv } from '../journal/kv/kv.ts';
import type { Lanes } from '../lanes.ts';

export interface SparkplugParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lanes: Pick<Lanes, 'sparkplugNews' | 'devices' | 'points' | 'catalog' | 'commands'>;
  readonly kv: Kv | undefined;
  /** The gateway's own broker. */
  readonly link: MqttLink | undefined;
  /** Where edge nodes that are born on the own broker wait. */
  readonly pending: Pick<PendingDevices, 'add'> | undefined;
  readonly secret: (name: string) => string | undefined;
}

/** What of Sparkplug a gateway is configured to do: be an edge node, and hear others being born. */
export async function openSparkplug(
  parts: SparkplugParts,
  config: Pick<GatewayConfig, 'name' | 'sparkplug' | 'adopt' | 'broker'>,
  version: string,
): Promise<readonly Lifecycle[]> {
  const { lanes, kv, link, pending } = parts;
  const { name, sparkplug, adopt, broker } = config;
  const windows: Lifecycle[] = [];
  if (adopt.sparkplug && link !== undefined && pending !== undefined) {
    const { BirthListener, isKnownBirth } = await import('./birth-listener.ts');
    const own = sparkplug && { group: sparkplug.group, node: sparkplug.node ?? name };
    const isKnown = isKnownBirth(() => lanes.devices.devices().values(), own);
    windows.push(new BirthListener({ logger: parts.logger, link, pending, isKnown }));
  }
  const { sparkplugNews: news, devices, points, catalog } = lanes;
  if (sparkplug !== undefined && news !== undefined && kv !== undefined) {
    const { createEdgeNode } = await import('./create-edge-node.ts');
    const handle: Lanes['commands']['handle'] = (command) => lanes.commands.handle(command);
    windows.push(
      await createEdgeNode(
        { ...parts, kv, localBroker: link, news, devices, points, catalog, handle },
        sparkplug,
        { name, version, localPayloadBytes: broker.limits.payloadBytes },
      ),
    );
  }
  return windows;
}
