import type { MqttLink } from '@millwright/device-drivers';
import { fillTopic, type PointFacts, pointFacts } from '@millwright/device-drivers/derive';
import {
  type Clock,
  type DeviceSlug,
  type DeviceSpec,
  type DeviceStatus,
  describeError,
  type Logger,
  MillwrightError,
  type PointId,
  type PointNo,
  SampleBatch,
} from '@millwright/protocol';
import type { LiveSource } from '../../uplink/ports.ts';
import type { JsonPublishing } from '../config.ts';
import { payloadOf, payloadTail } from './payload.ts';

/** Messages handed to the link that it has not yet passed on. */
const MAX_UNDER_WAY = 2000;

export interface PublishedDevice {
  readonly spec: DeviceSpec;
  readonly numbers: ReadonlyMap<PointId, PointNo>;
}

/** Who publishes, as the topics say it. */
export interface PublisherNames {
  readonly site: string;
  readonly gateway: string;
}

export interface JsonPublisherDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly link: Pick<MqttLink, 'publish'>;
  /** Which points have news, and their newest values. */
  readonly news: LiveSource;
  readonly points: { copyNewest(no: PointNo, into: SampleBatch): boolean };
  readonly names: PublisherNames;
  /** Whether anybody can be listening: without, nothing is encoded and the news waits. */
  readonly hasAudience: () => boolean;
}

interface Line {
  readonly topic: string;
  readonly tail: string;
  /** Absent: its values have no labels. */
  readonly labels?: PointFacts['labels'];
}

/**
 * Publishes points as plain JSON, each on a topic of its own: on change, the newest value only, at most so many in a
 * second. A message that the broker refuses is not repeated; the next value is another one.
 */
export class JsonPublisher {
  readonly #deps: JsonPublisherDeps;
  readonly #config: JsonPublishing;
  readonly #batch: SampleBatch;
  readonly #one = new SampleBatch(1);
  readonly #lines: (Line | undefined)[] = [];
  readonly #available = new Map<DeviceSlug, { readonly topic: string; text: string }>();
  #forgetNews: (() => void) | undefined;
  #cancelTick: (() => void) | undefined;
  #underWay = 0;
  #isRetaining: boolean;
  #hasComplained = false;
  #published = 0;

  constructor(deps: JsonPublisherDeps, config: JsonPublishing) {
    this.#deps = deps;
    this.#config = config;
    this.#isRetaining = config.retain;
    this.#batch = new SampleBatch(Math.max(1, Math.round((config.perSecond * config.every) / 1000)));
  }

  /** Messages handed to the broker. */
  get published(): number {
    return this.#published;
  }

  start(): void {
    this.#forgetNews ??= this.#deps.news.onDirty(() => this.#schedule());
    this.#schedule();
  }

  stop(): void {
    this.#forgetNews?.();
    this.#forgetNews = undefined;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  /** Publishes for these devices from now on. What was retained for others is taken back. */
  apply(devices: Iterable<PublishedDevice>): void {
    const { names } = this.#deps;
    const obsolete = new Set<string>([...this.#lines].flatMap((line) => line?.topic ?? []));
    const before = new Map(this.#available);
    this.#lines.length = 0;
    this.#available.clear();
    for (const { spec, numbers } of devices) {
      const device = { ...names, device: spec.id };
      const topic = fillTopic(this.#config.availability, device);
      this.#available.set(spec.id, { topic, text: before.get(spec.id)?.text ?? '' });
      before.delete(spec.id);
      for (const { id, spec: point, labels } of pointFacts(spec)) {
        const no = numbers.get(id);
        if (no === undefined) continue;
        const line = {
          topic: fillTopic(this.#config.topic, { ...device, point: id }),
          tail: payloadTail(point.unit),
          ...(labels.size === 0 ? {} : { labels }),
        };
        this.#lines[no] = line;
        obsolete.delete(line.topic);
      }
    }
    if (this.#config.retain) for (const topic of obsolete) this.#send(topic, '', true);
    for (const { topic } of before.values()) this.#send(topic, '', true);
  }

  /** Tells which devices are reachable, those that changed or, with `again`, all. */
  tellAvailability(statuses: readonly DeviceStatus[], again = false): void {
    for (const { device, online } of statuses) {
      const entry = this.#available.get(device);
      const text = online ? 'online' : 'offline';
      if (entry === undefined || (entry.text === text && !again)) continue;
      entry.text = text;
      this.#send(entry.topic, text, true);
    }
  }

  /** Everything once more: for a broker or a reader that comes back. */
  resendAll(): void {
    this.#isRetaining = this.#config.retain;
    this.#deps.news.markAllDirty();
    this.#schedule();
  }

  /** Publishes the newest value of one point at once, changed or not. */
  resend(no: PointNo): void {
    this.#one.clear();
    if (this.#deps.points.copyNewest(no, this.#one)) this.#publishRow(this.#one, 0);
  }

  #schedule(): void {
    if (this.#forgetNews === undefined) return;
    this.#cancelTick ??= this.#deps.clock.after(this.#config.every, () => {
      this.#cancelTick = undefined;
      this.#tick();
    });
  }

  #tick(): void {
    if (!this.#deps.hasAudience() || this.#underWay > MAX_UNDER_WAY) {
      this.#schedule();
      return;
    }
    const batch = this.#batch;
    batch.clear();
    if (!this.#deps.news.drainInto(batch)) return;
    for (let row = 0; row < batch.length; row++) this.#publishRow(batch, row);
    if (batch.isFull) this.#schedule();
  }

  #publishRow(batch: SampleBatch, row: number): void {
    const line = this.#lines[batch.point[row] as number];
    if (line === undefined) return;
    this.#published++;
    this.#send(line.topic, payloadOf(batch, row, line), this.#isRetaining);
  }

  #send(topic: string, payload: string, retain: boolean): void {
    this.#underWay++;
    this.#deps.link.publish(topic, payload, { retain, transient: true }).then(
      () => {
        this.#underWay--;
        this.#hasComplained = false;
      },
      (error: unknown) => {
        this.#underWay--;
        this.#failed(topic, payload, error);
      },
    );
  }

  #failed(topic: string, payload: string, error: unknown): void {
    const code = error instanceof MillwrightError ? error.code : '';
    if (code === 'RETAINED_FULL') {
      if (this.#isRetaining) {
        this.#deps.logger.warn(
          'the broker cannot retain more messages: values are published without being kept',
        );
      }
      this.#isRetaining = false;
      if (payload !== '') this.#send(topic, payload, false);
      return;
    }
    // A lost connection is told by the link itself.
    if (code === 'MQTT_DISCONNECTED' || this.#hasComplained) return;
    this.#hasComplained = true;
    this.#deps.logger.warn({ topic, error: describeError(error) }, 'a value could not be published');
  }
}
