import { randomBytes } from 'node:crypto';
import type { MqttLink } from '@millwright/device-drivers';
import { LocalServer, type SparkplugServer } from '@millwright/device-drivers/sparkplug';
import { type Clock, type Logger, UnavailableError } from '@millwright/protocol';
import type { Kv } from '../journal/kv/kv.ts';
import { BdSeq } from './bd-seq.ts';
import { BornDevices, type BornDevicesDeps } from './born-devices.ts';
import type { SparkplugConfig } from './config.ts';
import { EdgeNode } from './edge-node.ts';
import { WriteInbox, type WriteInboxDeps } from './write-inbox.ts';

/** Of messages for brokers whose limit is not known. */
const MAX_PAYLOAD_BYTES = 1024 * 1024;

export interface EdgeNodeParts extends BornDevicesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly kv: Kv;
  readonly localBroker: MqttLink | undefined;
  readonly handle: WriteInboxDeps['handle'];
  readonly secret: (name: string) => string | undefined;
}

/**
 * Wires the edge node of a gateway.
 * @param facts.localPayloadBytes largest message that the gateway's own broker takes
 * @throws UnavailableError when the own broker is wanted and does not run
 */
export async function createEdgeNode(
  parts: EdgeNodeParts,
  config: SparkplugConfig,
  facts: { readonly name: string; readonly version: string; readonly localPayloadBytes: number },
): Promise<EdgeNode> {
  const { clock, logger, kv, handle } = parts;
  const { group, node = facts.name, host, role } = config;
  const brokers = [config.broker].flat();
  return new EdgeNode(
    {
      clock,
      logger,
      servers: await Promise.all(brokers.map((broker) => serverAt(broker, parts, config))),
      bdSeq: new BdSeq({ kv }),
      devices: new BornDevices(parts),
      writes: new WriteInbox({ clock, logger, handle }, { role, group }),
    },
    {
      group,
      node,
      host,
      version: facts.version,
      everyMs: config.every,
      maxPayloadBytes: brokers.includes('local') ? facts.localPayloadBytes : MAX_PAYLOAD_BYTES,
    },
  );
}

async function serverAt(
  broker: string,
  { localBroker, secret, logger }: EdgeNodeParts,
  { username, passwordEnv }: SparkplugConfig,
): Promise<SparkplugServer> {
  if (broker === 'local') {
    if (localBroker !== undefined) return new LocalServer(localBroker);
    throw new UnavailableError('NO_LOCAL_BROKER', "the gateway's own broker does not run");
  }
  const password = passwordEnv === undefined ? undefined : secret(passwordEnv);
  if (passwordEnv !== undefined && password === undefined) {
    logger.warn({ variable: passwordEnv }, 'the variable that holds the broker password is not set');
  }
  const { MqttServer } = await import('@millwright/device-drivers/sparkplug/mqtt-server');
  const clientId = `millwright-${randomBytes(6).toString('hex')}`;
  return new MqttServer({ url: broker, clientId, username, password });
}
