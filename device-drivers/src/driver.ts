import type {
  Clock,
  DeviceSlug,
  DeviceSpecOf,
  DriverName,
  Lifecycle,
  Logger,
  PointId,
  PointNo,
  SampleSink,
  Value,
} from '@millwright/protocol';

/** A device with its points numbered: what a driver is given. Points a driver cannot serve were refused before. */
export interface DriverDevice<D extends DriverName = DriverName> {
  readonly spec: DeviceSpecOf<D>;
  /** One number per point of `spec.points`. */
  readonly numbers: ReadonlyMap<PointId, PointNo>;
}

export type DeviceState =
  | { readonly online: true }
  /** `why` is a sentence for people. */
  | { readonly online: false; readonly why: string };

export interface MqttPublishOptions {
  readonly retain?: boolean;
  readonly qos?: 0 | 1;
  /** Of a retained message: the gateway's own broker need not know it after a restart, so the disk is spared. */
  readonly transient?: boolean;
}

/** MQTT as a driver needs it: the gateway's own broker in-process, or a client of another broker. */
export interface MqttLink extends Lifecycle {
  /**
   * `handler` must not keep `payload`. `retained`: the broker had kept the message from before, it is not sent now.
   * @returns unsubscribe
   */
  subscribe(
    filter: string,
    handler: (topic: string, payload: Uint8Array, retained: boolean) => void,
  ): () => void;
  publish(topic: string, payload: Uint8Array | string, options?: MqttPublishOptions): Promise<void>;
  /** Called with the current state at once, then on every change. @returns unsubscribe */
  onState(listener: (connected: boolean) => void): () => void;
}

/** An alarm that the device itself raises and ends, such as a condition of OPC UA: not one of our limits. */
export interface DeviceAlarm {
  readonly device: DeviceSlug;
  /** Names it within the device, the same from raising to end and over restarts; at most 200 characters. */
  readonly alarm: string;
  /** The point it is about, where the driver can tell. */
  readonly point?: PointId;
  readonly active: boolean;
  readonly acked: boolean;
  /** 1 (least) … 1000 (most urgent), as in OPC UA Part 5 §6.4.2. */
  readonly severity: number;
  /** One sentence for people. */
  readonly message: string;
  /** What raised it, in the device's words. */
  readonly source: string;
  /** When the device says that it happened. */
  readonly atMs: number;
}

/** Something a device told, or that was found out about it, which is neither a value nor an alarm. */
export interface DeviceEvent {
  readonly device: DeviceSlug;
  readonly message: string;
  readonly source?: string;
  /** 1 … 1000. */
  readonly severity?: number;
  readonly atMs: number;
  /** Values of this span are missing, but for those that were read from the device's own history. */
  readonly gap?: { readonly fromMs: number; readonly toMs: number; readonly recovered: number };
}

export interface DriverDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gets every sample; the batch is the driver's own again when the call returns. */
  readonly sink: SampleSink;
  /**
   * Called on every change of a device's reachability, at most once per change.
   * The driver logs the change too, once (`warn` down, `info` up, with `device`): the listener need not.
   */
  readonly onState: (device: DeviceSlug, state: DeviceState) => void;
  /** Called when an alarm of a device begins, changes or ends; again with the same words when it is reported anew. */
  readonly onAlarm?: (alarm: DeviceAlarm) => void;
  /** The device has just named all its active alarms: others it is believed to have are over. */
  readonly onAlarmList?: (device: DeviceSlug, active: ReadonlySet<DeviceAlarm['alarm']>) => void;
  readonly onEvent?: (event: DeviceEvent) => void;
  /** The gateway's own broker, for devices with `broker: local`. */
  readonly localBroker?: MqttLink;
  /** The value of an environment variable that a `connect` block names (`passwordEnv`), never logged. */
  readonly secret?: (name: string) => string | undefined;
  /** Folder a driver may keep files in, such as its own certificate; absent: a folder that ends with the process. */
  readonly stateDir?: string;
}

/**
 * Serves all devices of one line (a TCP connection, a serial bus, a broker, a machine).
 *
 * Rules every driver keeps, checked by the contract suite:
 * - `start` returns without waiting for devices; an unreachable device is a state, not an error;
 * - it reconnects by itself, for ever, with bounded and jittered backoff;
 * - a device that stops answering has a `bad` sample with the reason for each of its points, once per outage,
 *   one `onState` down and one up;
 * - a value that cannot be decoded is a `bad` sample, never a thrown error and never a wrong value;
 * - after `stop` resolves the sink is not called again and no socket, timer or process is left;
 * - a device that is up again reports every point anew as soon as its protocol delivers it, changed or not.
 */
export interface Driver extends Lifecycle {
  /**
   * Writes one value, in the point's declared unit.
   * @throws UnavailableError `DEVICE_OFFLINE`; InvalidInputError when the device refuses or the value cannot be encoded
   */
  write(
    device: DeviceSlug,
    point: PointId,
    value: Value,
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
  /**
   * Says what `write` would send, in the protocol's words: `write holding 200 = 0078`. Talks to nobody.
   * @throws InvalidInputError when the value cannot be encoded
   */
  describeWrite?(device: DeviceSlug, point: PointId, value: Value): string;
  /**
   * Reads one point from the device now, past any cache.
   * @returns null when the protocol cannot be asked (MQTT): the caller waits for the next sample instead
   */
  read(device: DeviceSlug, point: PointId, options: { readonly signal: AbortSignal }): Promise<Value | null>;
}

/** One thing a driver asks of a device again and again, or is told by it. */
export interface PlannedRequest {
  /** For people, in the words of the protocol: `read holding 0–17`, `subscribe hall/th/state`. */
  readonly request: string;
  /** The points it serves. */
  readonly points: readonly PointId[];
  /** How often it is made; absent: the device tells of itself. */
  readonly everyMs?: number;
  /** What else is worth knowing, in a clause: `18 registers, 2 of them unused`. */
  readonly detail?: string;
}

/** What a driver will do for one device, worked out without talking to it. */
export interface DevicePlan {
  readonly requests: readonly PlannedRequest[];
  /** Sentences for people: what is unusual about this plan. */
  readonly notes?: readonly string[];
}

/** Where a driver looks for devices. */
export interface DiscoverTarget<D extends DriverName = DriverName> {
  readonly connect: DeviceSpecOf<D>['connect'];
  /** Where inside the device to begin, in the words of the protocol: an OPC UA node, a topic filter. */
  readonly from?: string;
  /** Folder with definitions that the driver itself does not carry: SunSpec's models. */
  readonly models?: string;
  /** Most points of all devices together; a driver that stops there says so in `notes`. */
  readonly maxPoints: number;
}

export interface DiscoverDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly localBroker?: MqttLink;
  readonly secret?: (name: string) => string | undefined;
  readonly stateDir?: string;
}

/** A device that a driver found, described as a device file describes it. */
export interface FoundDevice {
  /** Suggested id; unique among those of one discovery. */
  readonly id: string;
  /** What it is, for people: `Fronius Symo 8.2-3, serial 29301000`. */
  readonly title: string;
  /**
   * The part of a device described in place that the driver knows of: `connect`, `points` and, for Modbus, `scans`,
   * `defaults` and `merge`, in the words of a device file (durations as texts). It passes `InlineDevice`.
   */
  readonly body: Readonly<Record<string, unknown>>;
  /** Sentences for people: what was left out, and why. */
  readonly notes?: readonly string[];
}

/** What a protocol's folder exports: `device-drivers/src/<driver>/index.ts`. */
export interface DriverModule<D extends DriverName = DriverName> {
  readonly driver: D;
  /** Devices with the same line share one `Driver`. */
  lineOf(spec: DeviceSpecOf<D>): string;
  /** @throws InvalidInputError when a point names an address, encoding or option that its device cannot have */
  create(devices: readonly DriverDevice<D>[], deps: DriverDeps): Driver;
  /** What will be asked of a device, and how often. Talks to nobody. */
  plan?(spec: DeviceSpecOf<D>): DevicePlan;
  /**
   * Looks at what is there, and describes it. Reads only, with a bound on time and memory; each device is told as
   * soon as it is known, and everything is closed when the iterator ends, is returned or `signal` aborts.
   * @throws UnavailableError `DEVICE_OFFLINE` when nothing answers
   */
  discover?(
    target: DiscoverTarget<D>,
    deps: DiscoverDeps,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<FoundDevice>;
}
