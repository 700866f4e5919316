import {
  bad,
  type Clock,
  type DeviceSlug,
  GOOD,
  InvalidInputError,
  Kind,
  type Logger,
  type OpcuaPoint,
  type PointId,
  type PointNo,
  type Reason,
  SampleBatch,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import type { Driver, DriverDeps, DriverDevice } from '../driver.ts';
import {
  type FromWorker,
  type LineMessage,
  MAX_PACKED_SAMPLES,
  type MonitoredPoint,
  type OpcuaServer,
  unpack,
} from './messages.ts';
import { tellEvent, tellGap } from './told.ts';
import { checkDeclared } from './values.ts';
import type { WorkerHost, WorkerLine } from './worker-host.ts';

const MAX_OPEN_REQUESTS = 1000;

export interface OpcuaLineDeps extends DriverDeps {
  readonly server: OpcuaServer;
  /** Gives the shared worker from `start` to `stop`. */
  readonly acquire: (deps: { clock: Clock; logger: Logger }) => WorkerHost;
  readonly release: (host: WorkerHost) => void;
}

interface OpenRequest {
  readonly device: DeviceSlug;
  readonly isWrite: boolean;
  resolve(value: Value): void;
  reject(error: unknown): void;
}

let lastLine = 0;

/** All devices of one OPC UA server: the gateway's side of a session that lives in the worker. */
export class OpcuaLine implements Driver {
  readonly #deps: OpcuaLineDeps;
  readonly #devices: readonly DriverDevice<'opcua'>[];
  readonly #batch = new SampleBatch(MAX_PACKED_SAMPLES);
  readonly #requests = new Map<number, OpenRequest>();
  #host: WorkerHost | undefined;
  #line = 0;
  #lastRequest = 0;
  #state: 'unknown' | 'up' | 'down' = 'unknown';
  #stopping: Promise<void> = Promise.resolve();

  constructor(devices: readonly DriverDevice<'opcua'>[], deps: OpcuaLineDeps) {
    this.#devices = devices;
    this.#deps = deps;
  }

  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#host !== undefined) return;
    this.#state = 'unknown';
    this.#line = ++lastLine;
    this.#host = this.#deps.acquire(this.#deps);
    this.#host.attach(this.#workerLine(this.#line));
  }

  async stop(): Promise<void> {
    const host = this.#host;
    this.#host = undefined;
    if (host !== undefined) {
      this.#failRequests('the line is being stopped');
      this.#stopping = host.detach(this.#line);
      this.#deps.release(host);
    }
    await this.#stopping;
  }

  async write(
    device: DeviceSlug,
    point: PointId,
    value: Value,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    const { no, as, call } = this.#find(device, point);
    checkDeclared(point, as, value);
    await this.#ask({ device, no, value, signal });
    if (call !== undefined) this.#done(no, as, value);
  }

  async read(
    device: DeviceSlug,
    point: PointId,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Value | null> {
    const { no, call } = this.#find(device, point);
    return call === undefined ? this.#ask({ device, no, signal }) : null;
  }

  /** An action has no value to read: what it was called with last stands for it. */
  #done(no: PointNo, as: MonitoredPoint['as'], value: Value): void {
    const nowMs = this.#deps.clock.wallMs();
    this.#batch.clear();
    if (typeof value === 'bigint' || as === 'int64' || as === 'uint64') {
      this.#batch.pushInt(
        no,
        nowMs,
        nowMs,
        BigInt(value as number),
        GOOD,
        as === 'uint64' ? Kind.uint64 : Kind.int64,
      );
    } else this.#batch.push(no, nowMs, nowMs, value, GOOD);
    this.#flush();
  }

  #find(slug: DeviceSlug, id: PointId): { no: PointNo; as: OpcuaPoint['as']; call: OpcuaPoint['call'] } {
    const device = this.#devices.find(({ spec }) => spec.id === slug);
    const no = device?.numbers.get(id);
    const spec = device?.spec.points[id];
    if (no === undefined || spec === undefined) {
      throw new InvalidInputError(
        'POINT_UNKNOWN',
        `there is no point "${id}" of a device "${slug}" on this line`,
      );
    }
    return { no, as: spec.as, call: spec.call };
  }

  #ask(request: { device: DeviceSlug; no: PointNo; value?: Value; signal: AbortSignal }): Promise<Value> {
    const { device, no, value, signal } = request;
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#host === undefined || this.#state !== 'up') {
        return reject(offline(device, 'the server is not reachable'));
      }
      if (this.#requests.size >= MAX_OPEN_REQUESTS) {
        return reject(
          new UnavailableError('LINE_BUSY', `${MAX_OPEN_REQUESTS} requests wait for the server already`),
        );
      }
      const id = ++this.#lastRequest;
      const abort = () => {
        this.#requests.delete(id);
        reject(signal.reason);
      };
      signal.addEventListener('abort', abort, { once: true });
      const done = () => signal.removeEventListener('abort', abort);
      this.#requests.set(id, {
        device,
        isWrite: value !== undefined,
        resolve: (answer) => {
          done();
          resolve(answer);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      const head = { line: this.#line, id, no };
      this.#host.send(value === undefined ? { op: 'read', ...head } : { op: 'write', ...head, value });
    });
  }

  #workerLine(line: number): WorkerLine {
    const points = this.#devices.flatMap(({ spec, numbers }) =>
      Object.entries(spec.points).flatMap(([id, point]) => monitored(numbers.get(id as PointId), point)),
    );
    const whileRunning =
      <T extends unknown[]>(run: (...given: T) => void) =>
      (...given: T) => {
        if (this.#host !== undefined && this.#line === line) run(...given);
      };
    return {
      opening: { op: 'open', line, server: this.#deps.server, points },
      receive: whileRunning((message: LineMessage) => this.#receive(message)),
      workerLost: whileRunning((why: string) => this.#down(why, 'driver-restarted')),
    };
  }

  #receive(message: LineMessage): void {
    switch (message.op) {
      case 'samples': {
        unpack(message.samples, this.#batch, this.#deps.clock.wallMs());
        this.#host?.send({ op: 'ack', line: this.#line, samples: this.#batch.length });
        if (message.dropped > 0) {
          const { url } = this.#deps.server;
          this.#deps.logger.warn(
            { url, dropped: message.dropped },
            'older values were dropped: too many came at once',
          );
        }
        this.#deps.sink(this.#batch);
        return;
      }
      case 'up':
        this.#up(message);
        return;
      case 'down':
        this.#down(message.why, 'disconnected', message.quietMs);
        return;
      case 'event':
        tellEvent(message.event, this.#devices, this.#deps);
        return;
      case 'conditions': {
        const device = this.#devices[message.device]?.spec.id;
        if (device !== undefined) this.#deps.onAlarmList?.(device, new Set(message.active));
        return;
      }
      case 'note':
        this.#deps.logger.warn({ url: this.#deps.server.url }, message.message);
        return;
      case 'done':
      case 'failed':
        this.#settle(message);
        return;
    }
  }

  #up({ gap }: Extract<FromWorker, { op: 'up' }>): void {
    if (this.#state === 'up') return;
    this.#state = 'up';
    const { clock, logger, onState } = this.#deps;
    for (const { spec, numbers } of this.#devices) {
      logger.info({ device: spec.id }, `${spec.id} answers`);
      onState(spec.id, { online: true });
      this.#markUncalled(spec, numbers);
      if (gap !== undefined) tellGap(spec.id, { ...gap, toMs: clock.wallMs() }, this.#deps);
    }
  }

  /** Actions have no value before they are called. */
  #markUncalled({ points }: DriverDevice<'opcua'>['spec'], numbers: DriverDevice['numbers']): void {
    const nowMs = this.#deps.clock.wallMs();
    this.#batch.clear();
    for (const [id, no] of numbers) {
      if (points[id]?.call === undefined) continue;
      this.#batch.pushNull(no, nowMs, nowMs, bad('not-yet-read'));
      if (this.#batch.isFull) this.#flush();
    }
    this.#flush();
  }

  #settle(message: Extract<FromWorker, { op: 'done' | 'failed' }>): void {
    const request = this.#requests.get(message.id);
    this.#requests.delete(message.id);
    if (request === undefined) return;
    if (message.op === 'done') {
      request.resolve(message.value);
      return;
    }
    const text = `${request.device}: ${message.message}`;
    const retry = message.code === 'WRITE_UNCONFIRMED' ? 'never' : 'backoff';
    request.reject(
      message.kind === 'invalid'
        ? new InvalidInputError(message.code, text)
        : new UnavailableError(message.code, text, { retry }),
    );
  }

  /** @param quietMs for how long nothing had been heard: values are missing since then */
  #down(why: string, reason: Reason, quietMs = 0): void {
    this.#failRequests(why);
    if (this.#state === 'down') return;
    this.#state = 'down';
    const { clock, logger, onState } = this.#deps;
    for (const { spec, numbers } of this.#devices) {
      logger.warn({ device: spec.id, why }, `${spec.id} is not reachable: ${why}`);
      onState(spec.id, { online: false, why });
      const nowMs = clock.wallMs();
      this.#batch.clear();
      for (const no of numbers.values()) {
        this.#batch.pushNull(no, Math.round(nowMs - quietMs), nowMs, bad(reason));
        if (this.#batch.isFull) this.#flush();
      }
      this.#flush();
    }
  }

  #flush(): void {
    if (this.#batch.length > 0) this.#deps.sink(this.#batch);
    this.#batch.clear();
  }

  /** A write that was under way may have been done: nobody knows. */
  #failRequests(why: string): void {
    for (const { device, isWrite, reject } of this.#requests.values()) {
      const unconfirmed = `${device}: the write was sent but not confirmed: ${why}`;
      if (isWrite) reject(new UnavailableError('WRITE_UNCONFIRMED', unconfirmed, { retry: 'never' }));
      else reject(offline(device, why));
    }
    this.#requests.clear();
  }
}

function monitored(no: PointNo | undefined, { node, as, subscribe, call }: OpcuaPoint): MonitoredPoint[] {
  if (no === undefined) return [];
  const { publish: publishMs, queue } = subscribe;
  return [{ no, node, as, publishMs, queue, ...(call === undefined ? {} : { callOn: call.on }) }];
}

function offline(device: DeviceSlug, why: string): UnavailableError {
  return new UnavailableError('DEVICE_OFFLINE', `${device}: ${why}`);
}
