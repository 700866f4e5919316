import { UnavailableError } from '@millwright/protocol';
import type { MqttLink } from '../driver.ts';
import type { Session, SessionEvents, SparkplugServer, Will } from './session.ts';

/**
 * The gateway's own broker, in this very process. There is no CONNECT and so no will: whatever ends us without a word
 * ends the broker with us, and every client of it sees that.
 */
export class LocalServer implements SparkplugServer {
  readonly name = "the gateway's own broker";
  readonly #link: MqttLink;

  constructor(link: MqttLink) {
    this.#link = link;
  }

  async open(_will: Will, events: SessionEvents): Promise<Session> {
    const link = this.#link;
    const ends: (() => void)[] = [];
    let isOpen = false;
    const close = () => {
      isOpen = false;
      for (const end of ends.splice(0)) end();
    };
    ends.push(
      link.onState((connected) => {
        const wasOpen = isOpen;
        if (connected) isOpen = true;
        else if (wasOpen) {
          close();
          events.onClosed('the broker was stopped');
        }
      }),
    );
    if (!isOpen) {
      close();
      throw new UnavailableError('MQTT_UNREACHABLE', "the gateway's own MQTT broker is not running");
    }
    return {
      subscribe: async (filters) => {
        for (const filter of filters) {
          ends.push(link.subscribe(filter, events.onMessage));
        }
      },
      publish: async (topic, payload, options) => {
        if (!isOpen) throw new UnavailableError('MQTT_DISCONNECTED', 'the session has ended');
        await link.publish(topic, payload, options);
      },
      end: async () => close(),
    };
  }
}
