import { randomBytes } from 'node:crypto';
import {
  bad,
  type DeviceSlug,
  InvalidInputError,
  type PointId,
  SampleBatch,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import type { JSONPathQuery, JSONValue } from 'json-p3';
import type { Driver, DriverDeps, DriverDevice, MqttLink } from '../driver.ts';
import { readTls } from './link-tls.ts';
import { MqttDevice, type MqttPointPlan } from './mqtt-device.ts';
import { encodeCommand, parseJson, pushPayload, textOf } from './payload.ts';

/** How long a broker may take to answer, and then a device to announce itself, before it counts as away. */
const GRACE_MS = 3_000;
const BATCH_ROWS = 256;
/** The payload is no JSON, though the point wants a part of it. */
const UNREADABLE = Symbol('unreadable');

/** Everything one topic filter is subscribed for: there is never a second subscription to it. */
interface Route {
  readonly availabilityOf: MqttDevice[];
  readonly points: { readonly device: MqttDevice; readonly plan: MqttPointPlan }[];
  needsJson: boolean;
  needsIntegers: boolean;
}

/** @see Driver */
export class MqttDriver implements Driver {
  readonly #deps: DriverDeps;
  readonly #devices = new Map<DeviceSlug, MqttDevice>();
  readonly #routes = new Map<string, Route>();
  readonly #connect: DriverDevice<'mqtt'>['spec']['connect'];
  #batch = new SampleBatch(BATCH_ROWS);
  #spare: SampleBatch | undefined;
  readonly #warned = new Set<string>();
  #link: MqttLink | undefined;
  #unsubscribe: (() => void)[] = [];
  #cancelGrace: (() => void) | undefined;
  #connected = false;
  /** The broker was reached, or had its time. */
  #settled = false;
  #run: symbol | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws InvalidInputError for topics, paths or a broker that cannot work */
  constructor(devices: readonly DriverDevice<'mqtt'>[], deps: DriverDeps) {
    const [first] = devices;
    if (first === undefined) throw new InvalidInputError('NO_DEVICES', 'an MQTT line needs a device');
    if (first.spec.connect.broker === 'local' && deps.localBroker === undefined) {
      throw new InvalidInputError(
        'NO_LOCAL_BROKER',
        `device "${first.spec.id}" wants the gateway's own broker`,
        {
          hint: 'enable the broker of this gateway, or name another one as mqtt://host:port',
        },
      );
    }
    this.#deps = deps;
    this.#connect = first.spec.connect;
    for (const device of devices) this.#devices.set(device.spec.id, new MqttDevice(device));
    this.#planRoutes();
  }

  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#run !== undefined) return;
    const run = Symbol('run');
    this.#run = run;
    const link = await this.#openLink();
    if (this.#run !== run) return;
    this.#link = link;
    this.#settled = false;
    for (const [filter, route] of this.#routes) {
      this.#unsubscribe.push(link.subscribe(filter, (topic, payload) => this.#take(topic, route, payload)));
    }
    this.#awaitGrace(() => this.#settleBroker());
    this.#unsubscribe.push(link.onState((connected) => this.#onLink(connected)));
    if (this.#connect.broker !== 'local') await link.start();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  async write(
    device: DeviceSlug,
    point: PointId,
    value: Value,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    options.signal.throwIfAborted();
    const target = this.#device(device);
    const plan = this.#point(target, point);
    if (plan.commandTopic === undefined) {
      throw new InvalidInputError('NOT_WRITABLE', `point "${point}" of "${device}" has no command topic`);
    }
    const text = encodeCommand(plan.spec, value);
    const link = this.#link;
    if (link === undefined || !this.#connected || target.told === 'down') {
      throw new UnavailableError('DEVICE_OFFLINE', `device "${device}" is not online`);
    }
    const retain = plan.spec.command?.retain ?? false;
    await this.#confirmed(link.publish(plan.commandTopic, text, { retain, qos: 1 }), device, options.signal);
  }

  async read(
    device: DeviceSlug,
    point: PointId,
    options: { readonly signal: AbortSignal },
  ): Promise<Value | null> {
    options.signal.throwIfAborted();
    this.#point(this.#device(device), point);
    return null;
  }

  #planRoutes(): void {
    const route = (filter: string): Route => {
      const known = this.#routes.get(filter);
      if (known !== undefined) return known;
      const made: Route = { availabilityOf: [], points: [], needsJson: false, needsIntegers: false };
      this.#routes.set(filter, made);
      return made;
    };
    // Availability first: brokers answer subscriptions in order, so a device's state is known before its values.
    for (const device of this.#devices.values()) {
      if (device.availability !== undefined) route(device.availability).availabilityOf.push(device);
    }
    for (const device of this.#devices.values()) {
      for (const plan of device.points) {
        const target = route(plan.filter);
        target.points.push({ device, plan });
        target.needsJson ||= plan.pick !== undefined;
        target.needsIntegers ||= plan.spec.as === 'int64';
      }
    }
  }

  async #openLink(): Promise<MqttLink> {
    const { broker, username, passwordEnv, clientId, session, tls } = this.#connect;
    const { localBroker, clock, logger, secret } = this.#deps;
    if (broker === 'local' && localBroker !== undefined) return localBroker;
    const password = passwordEnv === undefined ? undefined : secret?.(passwordEnv);
    if (passwordEnv !== undefined && password === undefined) {
      logger.warn({ variable: passwordEnv }, 'the variable that holds the broker password is not set');
    }
    // Loaded on use: a gateway whose devices are all on its own broker does without a client.
    const { MqttClientLink } = await import('./client-link.ts');
    return new MqttClientLink(
      { clock, logger },
      {
        url: broker,
        clientId: clientId ?? `millwright-${randomBytes(6).toString('hex')}`,
        ...(session === undefined ? {} : { sessionExpirySeconds: Math.ceil(session / 1000) }),
        ...(tls === undefined ? {} : { tls: await readTls(tls) }),
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
      },
    );
  }

  async #stop(): Promise<void> {
    if (this.#run === undefined) return;
    this.#run = undefined;
    this.#cancelGrace?.();
    const link = this.#link;
    this.#link = undefined;
    const unsubscribe = () => {
      for (const end of this.#unsubscribe.splice(0)) end();
    };
    // A session that is to be kept keeps its subscriptions.
    if (this.#connect.session === undefined) unsubscribe();
    this.#connected = false;
    if (this.#connect.broker !== 'local') await link?.stop();
    unsubscribe();
  }

  #onLink(connected: boolean): void {
    if (connected === this.#connected) return;
    this.#connected = connected;
    if (connected) {
      this.#settled = true;
      for (const device of this.#devices.values()) {
        device.heard = 'nothing';
        device.silent = false;
        if (device.availability === undefined) this.#up(device);
      }
      this.#awaitGrace(() => this.#settleAnnouncements());
    } else {
      this.#cancelGrace?.();
      for (const device of this.#devices.values())
        this.#down(device, 'the connection to the broker was lost');
    }
  }

  #settleBroker(): void {
    if (this.#settled) return;
    this.#settled = true;
    for (const device of this.#devices.values()) this.#down(device, 'the broker cannot be reached');
  }

  #settleAnnouncements(): void {
    for (const device of this.#devices.values()) {
      if (device.availability === undefined || device.heard !== 'nothing') continue;
      device.silent = true;
      this.#down(device, `nothing was announced on "${device.availability}"`);
    }
  }

  #awaitGrace(then: () => void): void {
    this.#cancelGrace?.();
    this.#cancelGrace = this.#deps.clock.after(GRACE_MS, then);
  }

  #take(topic: string, route: Route, payload: Uint8Array): void {
    if (this.#run === undefined) return;
    const text = textOf(payload);
    for (const device of route.availabilityOf) this.#takeAvailability(device, text);
    if (route.points.length === 0) return;
    const json =
      text !== null && route.needsJson ? parseJson(text, { exactIntegers: route.needsIntegers }) : undefined;
    const nowMs = this.#deps.clock.wallMs();
    for (const { device, plan } of route.points) {
      if (device.heard === 'offline' || device.silent) continue;
      const raw = plan.pick === undefined ? (text ?? UNREADABLE) : pickFrom(json, plan.pick);
      // Not about this point: many devices tell on one topic only what changed.
      if (raw === undefined) {
        if (!plan.matched)
          this.#warnOnce(`${device.slug}/${plan.id}`, { device: device.slug, point: plan.id, topic });
        continue;
      }
      plan.matched = true;
      device.fresh = true;
      const batch = this.#roomyBatch();
      if (raw === UNREADABLE) batch.pushNull(plan.no, nowMs, nowMs, bad('decode-error'));
      else pushPayload(batch, plan.no, nowMs, plan.spec, raw);
    }
    this.#flush();
  }

  #takeAvailability(device: MqttDevice, text: string | null): void {
    const word = text === null ? undefined : availabilityIn(text);
    if (word === undefined) {
      this.#warnOnce(`${device.slug}!`, { device: device.slug, topic: device.availability });
      return;
    }
    device.heard = word;
    device.silent = false;
    if (word === 'online') this.#up(device);
    else this.#down(device, `it was announced offline on "${device.availability}"`);
  }

  #up(device: MqttDevice): void {
    if (device.told === 'up') return;
    if (device.told === 'down') this.#deps.logger.info({ device: device.slug }, 'device is online again');
    device.told = 'up';
    this.#deps.onState(device.slug, { online: true });
  }

  #down(device: MqttDevice, why: string): void {
    if (device.fresh) {
      device.fresh = false;
      const nowMs = this.#deps.clock.wallMs();
      for (const { no } of device.points) {
        this.#roomyBatch().pushNull(no, nowMs, nowMs, bad('disconnected'));
      }
      this.#flush();
    }
    if (device.told === 'down') return;
    device.told = 'down';
    this.#deps.logger.warn({ device: device.slug, why }, 'device is offline');
    this.#deps.onState(device.slug, { online: false, why });
  }

  #roomyBatch(): SampleBatch {
    if (this.#batch.isFull) this.#flush();
    return this.#batch;
  }

  #flush(): void {
    const batch = this.#batch;
    if (batch.length === 0) return;
    // What takes the samples may publish on the same broker, whose message then comes in the middle of this.
    this.#batch = this.#spare ?? new SampleBatch(BATCH_ROWS);
    this.#spare = undefined;
    this.#deps.sink(batch);
    batch.clear();
    this.#spare = batch;
  }

  #warnOnce(key: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    this.#deps.logger.warn(fields, 'a message on this topic does not contain what is configured');
  }

  async #confirmed(sent: Promise<void>, device: DeviceSlug, signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([sent, aborted.promise]);
    } catch (cause) {
      if (signal.aborted) throw cause;
      throw new UnavailableError(
        'WRITE_UNCONFIRMED',
        `the broker did not confirm the command for "${device}"; it may have arrived`,
        { retry: 'never', cause },
      );
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #device(slug: DeviceSlug): MqttDevice {
    const device = this.#devices.get(slug);
    if (device === undefined)
      throw new InvalidInputError('UNKNOWN_DEVICE', `there is no device "${slug}" here`);
    return device;
  }

  #point(device: MqttDevice, id: PointId): MqttPointPlan {
    const plan = device.points.find((candidate) => candidate.id === id);
    if (plan === undefined) {
      throw new InvalidInputError('UNKNOWN_POINT', `device "${device.slug}" has no point "${id}"`);
    }
    return plan;
  }
}

/** @returns undefined when the path leads nowhere in this document */
function pickFrom(json: JSONValue, pick: JSONPathQuery): JSONValue | typeof UNREADABLE {
  return json === undefined ? UNREADABLE : pick.query(json).nodes[0]?.value;
}

/** `online` and `offline` in any case, plain or as JSON: `"online"`, `{"state":"online"}`. */
function availabilityIn(text: string): 'online' | 'offline' | undefined {
  const json = parseJson(text, { exactIntegers: false });
  const state =
    typeof json === 'object' && json !== null && !Array.isArray(json) ? json.state : (json ?? text);
  const word = typeof state === 'string' ? state.trim().toLowerCase() : '';
  return word === 'online' || word === 'offline' ? word : undefined;
}
