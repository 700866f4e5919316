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
import type { Driver, DriverDeps, DriverDevice } from '../driver.ts';
import type { MetricNews } from './birth-register.ts';
import type { Target } from './edge-node-view.ts';
import { HostApplication } from './host-application.ts';
import { hostIdIn } from './host-id.ts';
import { LocalServer } from './local-server.ts';
import { readingOf, writableAs } from './reading.ts';
import type { SparkplugServer } from './session.ts';
import { keyOf, SparkplugDevice, type SparkplugPointPlan } from './sparkplug-device.ts';

/** How long a broker may take to answer, and then an edge node to be born, before its devices count as away. */
const GRACE_MS = 3000;
const BATCH_ROWS = 256;

/** A Sparkplug host application whose edge nodes are devices of this gateway. @see Driver */
export class SparkplugDriver implements Driver {
  readonly #deps: DriverDeps;
  readonly #specs: readonly DriverDevice<'sparkplug'>[];
  readonly #devices = new Map<DeviceSlug, SparkplugDevice>();
  readonly #byTarget = new Map<string, SparkplugDevice[]>();
  readonly #batch = new SampleBatch(BATCH_ROWS);
  readonly #warned = new Set<string>();
  #host: HostApplication | undefined;
  #cancelGrace: (() => void) | undefined;
  #run: symbol | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws InvalidInputError for a device that wants a broker which is not there */
  constructor(devices: readonly DriverDevice<'sparkplug'>[], deps: DriverDeps) {
    const [first] = devices;
    if (first === undefined) throw new InvalidInputError('NO_DEVICES', 'a Sparkplug line needs a device');
    if (first.spec.connect.broker === 'local' && deps.localBroker === undefined) {
      const message = `device "${first.spec.id}" wants the gateway's own broker`;
      throw new InvalidInputError('NO_LOCAL_BROKER', message, {
        hint: 'name another broker as mqtt://host:port',
      });
    }
    this.#deps = deps;
    this.#specs = devices;
    for (const each of devices) {
      const device = new SparkplugDevice(each);
      this.#devices.set(device.slug, device);
      const same = this.#byTarget.get(keyOf(device.target));
      if (same === undefined) this.#byTarget.set(keyOf(device.target), [device]);
      else same.push(device);
    }
  }

  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#run !== undefined) return;
    const run = Symbol('run');
    this.#run = run;
    const host = await this.#createHost();
    if (this.#run !== run) return;
    this.#host = host;
    this.#awaitGrace(() => this.#allDown('the broker cannot be reached', () => true));
    await host.start();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  async write(
    slug: DeviceSlug,
    point: PointId,
    value: Value,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    options.signal.throwIfAborted();
    const device = this.#device(slug);
    const { metric } = this.#point(device, point).spec;
    const type = this.#host?.typeOf(device.target, metric);
    if (value === null)
      throw new InvalidInputError('NO_VALUE', `"${point}" cannot be written without a value`);
    if (this.#host === undefined || type === undefined) {
      throw new UnavailableError('DEVICE_OFFLINE', `device "${slug}" is not online`);
    }
    const wanted = writableAs(value, type);
    if (wanted === undefined) {
      const message = `metric "${metric}" of "${slug}" is of type ${type} and cannot be ${String(value).slice(0, 80)}`;
      throw new InvalidInputError('VALUE_TYPE', message);
    }
    await this.#host.write(device.target, metric, wanted);
  }

  async read(
    slug: DeviceSlug,
    point: PointId,
    options: { readonly signal: AbortSignal },
  ): Promise<Value | null> {
    options.signal.throwIfAborted();
    this.#point(this.#device(slug), point);
    return null;
  }

  async #createHost(): Promise<HostApplication> {
    const { clock, logger, stateDir } = this.#deps;
    const nodes = new Map<string, { group: string; node: string; reorderMs: number }>();
    for (const { spec } of this.#specs) {
      const { group, node, reorder } = spec.connect;
      const known = nodes.get(`${group}/${node}`);
      nodes.set(`${group}/${node}`, { group, node, reorderMs: Math.max(reorder, known?.reorderMs ?? 0) });
    }
    const host = this.#specs[0]?.spec.connect.host ?? (await hostIdIn(stateDir));
    return new HostApplication(
      {
        clock,
        logger,
        servers: [await this.#server()],
        listener: {
          onConnected: () => this.#awaitGrace(() => this.#unborn()),
          onDisconnected: () => this.#disconnected(),
          onBirth: (target, metrics) => this.#take(target, metrics, true),
          onData: (target, metrics) => this.#take(target, metrics, false),
          onDeath: (target, why, atMs) => this.#dead(target, why, atMs),
        },
      },
      { host, nodes: [...nodes.values()] },
    );
  }

  async #server(): Promise<SparkplugServer> {
    const { localBroker, secret, logger } = this.#deps;
    const connect = this.#specs[0]?.spec.connect;
    if (connect === undefined || connect.broker === 'local') {
      if (localBroker === undefined) throw new InvalidInputError('NO_LOCAL_BROKER', 'there is no own broker');
      return new LocalServer(localBroker);
    }
    const { broker: url, username, passwordEnv } = connect;
    const password = passwordEnv === undefined ? undefined : secret?.(passwordEnv);
    if (passwordEnv !== undefined && password === undefined) {
      logger.warn({ variable: passwordEnv }, 'the variable that holds the broker password is not set');
    }
    // Loaded on use: a gateway whose edge nodes are all on its own broker does without a client.
    const { MqttServer } = await import('./mqtt-server.ts');
    const clientId = `millwright-${randomBytes(6).toString('hex')}`;
    return new MqttServer({ url, clientId, username, password });
  }

  async #stop(): Promise<void> {
    if (this.#run === undefined) return;
    this.#run = undefined;
    this.#cancelGrace?.();
    const host = this.#host;
    this.#host = undefined;
    await host?.stop();
  }

  #take(target: Target, metrics: readonly MetricNews[], isBirth: boolean): void {
    if (this.#run === undefined) return;
    for (const device of this.#byTarget.get(keyOf(target)) ?? []) {
      if (isBirth) this.#up(device);
      const nowMs = this.#deps.clock.wallMs();
      for (const news of metrics) {
        // What was kept while an edge node was away is no news: it must not become the present value.
        if (news.isHistorical) continue;
        for (const { no, spec } of device.byMetric.get(news.name) ?? []) {
          const { value, quality } = readingOf(news, spec.as);
          this.#roomyBatch().push(no, news.timestampMs, nowMs, value, quality);
          device.isFresh = true;
        }
      }
      if (isBirth) this.#markUnnamed(device, metrics, nowMs);
    }
    this.#flush();
  }

  /** Points whose metric the birth certificate does not have: they will never have a value. */
  #markUnnamed(device: SparkplugDevice, metrics: readonly MetricNews[], nowMs: number): void {
    const names = new Set(metrics.map(({ name }) => name));
    for (const { id, no, spec } of device.points) {
      if (names.has(spec.metric)) continue;
      this.#roomyBatch().pushNull(no, nowMs, nowMs, bad('illegal-address'));
      const key = `${device.slug}/${id}`;
      if (this.#warned.has(key)) continue;
      this.#warned.add(key);
      const fields = { device: device.slug, point: id, metric: spec.metric };
      this.#deps.logger.warn(fields, 'the birth certificate has no such metric');
    }
  }

  #dead(target: Target, why: string, atMs: number): void {
    for (const device of this.#byTarget.get(keyOf(target)) ?? []) this.#down(device, why, atMs);
  }

  #disconnected(): void {
    if (this.#run === undefined) return;
    // Before the first connection the grace runs; after it, whoever was up has been told dead already.
    this.#allDown('the connection to the broker was lost', ({ told }) => told === 'up');
  }

  #unborn(): void {
    this.#allDown('no birth certificate has been seen', ({ told }) => told !== 'up');
  }

  #allDown(why: string, which: (device: SparkplugDevice) => boolean): void {
    const nowMs = this.#deps.clock.wallMs();
    for (const device of this.#devices.values()) if (which(device)) this.#down(device, why, nowMs);
  }

  #up(device: SparkplugDevice): void {
    if (device.told === 'up') return;
    if (device.told === 'down') this.#deps.logger.info({ device: device.slug }, 'device is online again');
    device.told = 'up';
    this.#deps.onState(device.slug, { online: true });
  }

  #down(device: SparkplugDevice, why: string, atMs: number): void {
    if (this.#run === undefined) return;
    if (device.isFresh) {
      device.isFresh = false;
      const nowMs = this.#deps.clock.wallMs();
      for (const { no } of device.points) this.#roomyBatch().pushNull(no, atMs, nowMs, bad('disconnected'));
      this.#flush();
    }
    if (device.told === 'down') return;
    device.told = 'down';
    this.#deps.logger.warn({ device: device.slug, why }, 'device is offline');
    this.#deps.onState(device.slug, { online: false, why });
  }

  #awaitGrace(then: () => void): void {
    this.#cancelGrace?.();
    this.#cancelGrace = this.#deps.clock.after(GRACE_MS, then);
  }

  #roomyBatch(): SampleBatch {
    if (this.#batch.isFull) this.#flush();
    return this.#batch;
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    this.#deps.sink(this.#batch);
    this.#batch.clear();
  }

  #device(slug: DeviceSlug): SparkplugDevice {
    const device = this.#devices.get(slug);
    if (device === undefined)
      throw new InvalidInputError('UNKNOWN_DEVICE', `there is no device "${slug}" here`);
    return device;
  }

  #point(device: SparkplugDevice, id: PointId): SparkplugPointPlan {
    const plan = device.points.find((candidate) => candidate.id === id);
    if (plan === undefined) {
      throw new InvalidInputError('UNKNOWN_POINT', `device "${device.slug}" has no point "${id}"`);
    }
    return plan;
  }
}
