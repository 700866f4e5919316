import { randomUUID } from 'node:crypto';
import type { MqttLink } from '@millwright/device-drivers';
import { commandTopicOf, fillTopic, type PointFacts, pointFacts } from '@millwright/device-drivers/derive';
import {
  type Clock,
  type DeviceSlug,
  describeError,
  type JsonValue,
  type Logger,
  type PointId,
  type PointNo,
  type Principal,
  type Receipt,
  type WriteCommand,
} from '@millwright/protocol';
import type { PublishedDevice, PublisherNames } from './json/json-publisher.ts';

const MAX_PAYLOAD_BYTES = 4096;
const MAX_UNDER_WAY = 16;
const VALID_MS = 10_000;
const TRUE = new Set(['true', 'on', '1']);
const FALSE = new Set(['false', 'off', '0']);

export interface CommandTopicsDeps {
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly logger: Logger;
  readonly link: Pick<MqttLink, 'subscribe'>;
  /** The command path: the only way to a machine. */
  readonly commands: (command: WriteCommand) => Promise<Receipt>;
  readonly names: PublisherNames;
  /** A command was not carried out: whoever sent it has to be shown what the point still is. */
  readonly onRefused: (no: PointNo) => void;
}

interface Target {
  readonly device: DeviceSlug;
  readonly point: PointId;
  readonly no: PointNo;
  readonly kind: PointFacts['kind'];
  readonly labels: PointFacts['labels'];
}

/**
 * Takes commands from MQTT: what is published on `<topic of a writable point>/set` goes to the command path like any
 * other command, with the role that is configured for this way in. A retained message is never a command.
 */
export class CommandTopics {
  readonly #deps: CommandTopicsDeps;
  readonly #config: { readonly topic: string; readonly role: Principal['role']; readonly by: string };
  readonly #targets = new Map<string, Target>();
  #unsubscribe: (() => void) | undefined;
  #underWay = 0;

  constructor(
    deps: CommandTopicsDeps,
    config: { readonly topic: string; readonly role: Principal['role']; readonly by: string },
  ) {
    this.#deps = deps;
    this.#config = config;
  }

  start(): void {
    const { link, names } = this.#deps;
    const filter = commandTopicOf(fillTopic(this.#config.topic, { ...names, device: '+', point: '+' }));
    this.#unsubscribe ??= link.subscribe(filter, (topic, payload, retained) => {
      const target = this.#targets.get(topic);
      if (target === undefined) return;
      if (retained) {
        this.#deps.logger.warn(
          { topic },
          'a retained message is not taken for a command; publish without retain',
        );
        return;
      }
      void this.#take(topic, target, payload);
    });
  }

  stop(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  apply(devices: Iterable<PublishedDevice>): void {
    this.#targets.clear();
    for (const { spec, numbers } of devices) {
      for (const { id: point, kind, write, labels } of pointFacts(spec)) {
        const no = numbers.get(point);
        if (no === undefined || write === undefined) continue;
        const topic = fillTopic(this.#config.topic, { ...this.#deps.names, device: spec.id, point });
        this.#targets.set(commandTopicOf(topic), { device: spec.id, point, no, kind, labels });
      }
    }
  }

  async #take(topic: string, target: Target, payload: Uint8Array): Promise<void> {
    const { clock, logger, commands, onRefused } = this.#deps;
    const value = wantedValue(payload, target);
    if (value === undefined) {
      logger.warn(
        { topic, bytes: payload.length },
        `what was published is no ${target.kind} to set a point to`,
      );
      onRefused(target.no);
      return;
    }
    if (this.#underWay >= MAX_UNDER_WAY) {
      logger.warn(
        { topic },
        `${MAX_UNDER_WAY} commands from MQTT are waiting already; this one is not carried out`,
      );
      return;
    }
    this.#underWay++;
    const nowMs = clock.wallMs();
    const command: WriteCommand = {
      id: `mq_${randomUUID()}`,
      device: target.device,
      point: target.point,
      value,
      by: { name: this.#config.by, role: this.#config.role },
      issuedAtMs: nowMs,
      expiresAtMs: nowMs + VALID_MS,
    };
    try {
      const { result, code, message } = await commands(command);
      if (result === 'done') return;
      logger.warn({ topic, result, code }, `command from MQTT: ${message}`);
      onRefused(target.no);
    } catch (error) {
      logger.error({ topic, error: describeError(error) }, 'command from MQTT failed');
    } finally {
      this.#underWay--;
    }
  }
}

/** @returns undefined for what cannot be a value of this point */
function wantedValue(payload: Uint8Array, { kind, labels }: Target): JsonValue | undefined {
  if (payload.length > MAX_PAYLOAD_BYTES) return undefined;
  const said = Buffer.from(payload).toString();
  // A label of one of its values stands for the value.
  const text = [...labels].find(([, label]) => label === said)?.[0] ?? said;
  if (kind === 'text') return text;
  const word = text.trim().toLowerCase();
  if (kind === 'bool') {
    if (TRUE.has(word)) return true;
    return FALSE.has(word) ? false : undefined;
  }
  const number = word === '' ? Number.NaN : Number(word);
  if (!Number.isFinite(number)) return undefined;
  return kind === 'integer' && /^-?\d{16,20}$/.test(word) ? word : number;
}
