import { randomBytes } from 'node:crypto';
import type { MqttLink } from '@millwright/device-drivers';
import { fillTopic } from '@millwright/device-drivers/derive';
import { InvalidInputError, type Lifecycle } from '@millwright/protocol';
import type { JsonPublishing, PublishConfig } from './config.ts';
import { Publisher, type PublisherDeps } from './publisher.ts';

export interface OpenPublisherDeps extends Omit<PublisherDeps, 'link' | 'hasAudience'> {
  /** The gateway's own broker, and whether anybody is connected to it. */
  readonly local: { readonly link: MqttLink; readonly hasClients: () => boolean };
  readonly secret: (name: string) => string | undefined;
}

/**
 * The publisher with its way to a broker. A client of somebody else's broker is loaded only when one is configured.
 * @throws InvalidInputError `PASSWORD_MISSING`
 */
export async function openPublisher(
  deps: OpenPublisherDeps,
  config: PublishConfig & { readonly json: JsonPublishing },
): Promise<{ readonly publisher: Publisher; readonly parts: readonly Lifecycle[] }> {
  const { local, secret, ...rest } = deps;
  if (config.broker === 'local') {
    const publisher = new Publisher({ ...rest, link: local.link, hasAudience: local.hasClients }, config);
    return { publisher, parts: [publisher] };
  }
  const { username, passwordEnv, broker: url, json } = config;
  const password = passwordEnv === undefined ? undefined : secret(passwordEnv);
  if (passwordEnv !== undefined && password === undefined) {
    throw new InvalidInputError(
      'PASSWORD_MISSING',
      `publish.passwordEnv: the environment variable ${passwordEnv} is not set`,
    );
  }
  const { MqttClientLink } = await import('@millwright/device-drivers/mqtt-link');
  const link = new MqttClientLink(rest, {
    url,
    clientId: `millwright-publish-${randomBytes(6).toString('hex')}`,
    will: { topic: fillTopic(json.presence, rest.names), payload: 'offline' },
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  });
  const publisher = new Publisher({ ...rest, link, hasAudience: () => true }, config);
  return { publisher, parts: [link, publisher] };
}
