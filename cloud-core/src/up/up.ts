import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import {
  type Clock,
  delay,
  type Logger,
  parseYamlDocument,
  stopAll,
  UnavailableError,
} from '@millwright/protocol';
import { Listr } from 'listr2';
import { z } from 'zod';
import { expectPortsFree, portsFrom } from './ports.ts';
import { createEnrolmentToken, devicesWithValues } from './region-client.ts';
import { runOnce } from './run-once.ts';
import { secretIn, writeSecret } from './secrets.ts';
import { type ProcessSpec, SupervisedProcess } from './supervisor.ts';
import { type ReadyFile, World } from './world.ts';

export interface UpOptions {
  readonly directory: string;
  readonly state: string;
  readonly portBase: number;
  readonly readyFile?: string;
  readonly program: string;
}

interface UpDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

const START_TIMEOUT_MS = 60_000;
const FIRST_VALUES_TIMEOUT_MS = 60_000;
const WATCH_MS = 500;

const RegionReady = z.object({
  signInUrl: z.string(),
  uplinkAddress: z.string(),
  postgresPid: z.int().optional(),
});
const PostgresReady = z.object({ url: z.string(), pid: z.int() });

/** Runs a world's processes, from an empty folder or from what an earlier run left in `state`. */
export class Up {
  readonly #options: UpOptions;
  readonly #deps: UpDeps;
  readonly #processes: SupervisedProcess[] = [];
  /** Processes that others own (database servers): name → where their pid is told. */
  readonly #owned = new Map<string, number>();
  #variables: Record<string, string> = {};
  #ports: Record<string, number> = {};
  #world: World | undefined;
  #ready: ReadyFile | undefined;
  readonly #failed = new AbortController();

  constructor(options: UpOptions, deps: UpDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Starts everything in order. @returns what `--ready-file` holds */
  async start(options: { readonly signal: AbortSignal }): Promise<ReadyFile> {
    const signal = AbortSignal.any([options.signal, this.#failed.signal]);
    if (this.#options.readyFile !== undefined) await rm(this.#options.readyFile, { force: true });
    const world = await this.#load();
    // What does not need another starts beside it: most of a start is waiting.
    const simulators = this.#startSimulators(world, signal);
    const cloud = this.#startCloud(world, signal);
    const regions = world.regions.map((region) => this.#startRegion(region, signal));
    const gateways = Promise.all([simulators, ...regions]).then(() => this.#startGateways(world, signal));
    const steps = new Listr(
      [
        { title: 'Simulated devices', task: () => simulators },
        { title: 'Cloud', task: () => cloud },
        {
          title: `Regions ${world.regions.map((region) => region.id).join(' and ')}`,
          task: () => Promise.all(regions),
        },
        { title: `${world.gateways.length} gateways`, task: () => gateways },
        {
          title: 'First values of every device',
          task: async (_, task) => {
            await gateways;
            await this.#awaitValues(world, signal, (text) => {
              task.output = text;
            });
          },
        },
      ],
      { concurrent: true, fallbackRendererCondition: () => process.stdout.isTTY !== true },
    );
    await steps
      .run()
      .catch((error: unknown) => this.#giveUp(error, [simulators, cloud, gateways, ...regions]));
    await this.#refreshOwned();
    this.#ready = await this.#describe(world);
    await this.#writeReady();
    return this.#ready;
  }

  /** Nothing is started any more, so that `stop` finds all there is. */
  async #giveUp(error: unknown, starting: readonly Promise<unknown>[]): Promise<never> {
    this.#failed.abort(error);
    await Promise.allSettled(starting);
    throw error;
  }

  /** Keeps the ready file's process ids true while processes fall and rise; returns when `signal` is aborted. */
  async watch(options: { readonly signal: AbortSignal }): Promise<void> {
    while (!options.signal.aborted) {
      await delay(this.#deps.clock, WATCH_MS, options).catch(() => undefined);
      await this.#refreshOwned();
      const processes = this.#processIds();
      if (this.#ready === undefined || JSON.stringify(processes) === JSON.stringify(this.#ready.processes))
        continue;
      this.#ready = { ...this.#ready, processes };
      await this.#writeReady();
    }
  }

  async stop(): Promise<void> {
    await stopAll(this.#processes);
    if (this.#options.readyFile !== undefined) await rm(this.#options.readyFile, { force: true });
  }

  async #load(): Promise<World> {
    const { directory, portBase, state } = this.#options;
    const file = join(directory, 'world.yaml');
    const text = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new UnavailableError('WORLD_MISSING', `cannot read ${file}`, {
        retry: 'never',
        hint: 'name a folder with a world.yaml',
        cause,
      });
    });
    const world = parseYamlDocument({ name: file, text }, World);
    this.#world = world;
    this.#ports = portsFrom(portBase, world.ports);
    await expectPortsFree(this.#ports);
    await mkdir(join(state, 'logs'), { recursive: true });
    await mkdir(join(state, 'ready'), { recursive: true });
    this.#variables = Object.fromEntries(
      Object.entries(this.#ports).map(([name, port]) => [name, String(port)]),
    );
    this.#variables.STATE = state;
    this.#variables.CLOUD_TOKEN_FILE = join(state, 'secrets', 'cloud-token');
    this.#variables.VAULT = join(state, 'vault');
    // Made before anything starts: two that start side by side must not each make their own.
    await secretIn(join(state, 'secrets', 'cloud-token'));
    await this.#apiToken();
    for (const account of world.gateways.flatMap((gateway) => Object.keys(gateway.mqttAccounts))) {
      this.#variables[passwordVariable(account)] = await secretIn(join(state, 'secrets', `mqtt-${account}`));
    }
    return world;
  }

  async #startSimulators(world: World, signal: AbortSignal): Promise<void> {
    await this.#launch('simulators', ['simulate', '--config', this.#path(world.simulators.config)], {
      signal,
    });
  }

  async #startCloud(world: World, signal: AbortSignal): Promise<void> {
    const database = ['postgres', 'run', '--state', this.#stateOf('cloud-postgres')];
    const { url, pid } = PostgresReady.parse(await this.#launch('cloud-postgres', database, { signal }));
    this.#owned.set('cloud-postgres-server', pid);
    const cloud = [
      'cloud',
      'run',
      '--config',
      this.#path(world.cloud.config),
      '--state',
      this.#stateOf('cloud'),
    ];
    await this.#launch('cloud', cloud, { signal, env: { CLOUD_DATABASE_URL: url } });
  }

  async #startRegion(region: World['regions'][number], signal: AbortSignal): Promise<void> {
    const name = regionName(region.id);
    const state = this.#stateOf(name);
    await writeSecret(join(state, 'api-token'), await this.#apiToken());
    await this.#launch(name, ['region', 'run', '--config', this.#path(region.config), '--state', state], {
      signal,
    });
  }

  async #startGateways(world: World, signal: AbortSignal): Promise<void> {
    await Promise.all(world.gateways.map((gateway) => this.#startGateway(world, gateway, signal)));
  }

  async #startGateway(world: World, gateway: World['gateways'][number], signal: AbortSignal): Promise<void> {
    const name = gatewayName(gateway.id);
    const gatewayState = this.#stateOf(name);
    await mkdir(gatewayState, { recursive: true });
    await this.#addMqttAccounts(gateway, gatewayState, signal);
    const tokenFile = join(gatewayState, 'enrolment-token');
    if (!existsSync(join(gatewayState, 'enrolment.json'))) {
      const region = world.regions.find((candidate) => candidate.id === gateway.region);
      if (region === undefined) {
        throw new UnavailableError(
          'WORLD_REGION',
          `gateway "${gateway.id}" names region "${gateway.region}", which world.yaml does not have`,
          { retry: 'never' },
        );
      }
      const token = await createEnrolmentToken({
        api: this.#url(region.http),
        token: await this.#apiToken(),
        site: gateway.site,
        signal,
      });
      await writeSecret(tokenFile, token);
    }
    await this.#launch(
      name,
      ['gateway', 'run', '--config', this.#path(gateway.config), '--state', gatewayState],
      { signal, env: { ENROLMENT_TOKEN_FILE: tokenFile } },
    );
  }

  /** Gives MQTT devices their credentials, once for what world.yaml says of them: each takes a process of its own. */
  async #addMqttAccounts(
    gateway: World['gateways'][number],
    gatewayState: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { state, program } = this.#options;
    const doneFile = join(gatewayState, 'mqtt-accounts.json');
    const wanted = JSON.stringify(gateway.mqttAccounts);
    if ((await readFile(doneFile, 'utf8').catch(() => undefined)) === wanted) return;
    for (const [account, rights] of Object.entries(gateway.mqttAccounts)) {
      const filters = [
        ...rights.publish.flatMap((filter) => ['--publish', filter]),
        ...rights.subscribe.flatMap((filter) => ['--subscribe', filter]),
      ];
      const passwordFile = join(state, 'secrets', `mqtt-${account}`);
      const place = ['--state', gatewayState, '--password-file', passwordFile];
      await runOnce(program, ['gateway', 'credential', 'add', account, ...place, ...filters], { signal });
    }
    await writeFile(doneFile, wanted);
  }

  async #awaitValues(world: World, signal: AbortSignal, say: (text: string) => void): Promise<void> {
    const deadline = this.#deps.clock.monotonicMs() + FIRST_VALUES_TIMEOUT_MS;
    const token = await this.#apiToken();
    let said = '';
    for (;;) {
      const seen = await Promise.all(
        world.regions.map((region) =>
          devicesWithValues({ api: this.#url(region.http), token, signal }).catch(() => undefined),
        ),
      );
      const gatewaysSeen = new Set(seen.flatMap((region) => region?.gateways ?? []));
      const waiting = seen.flatMap((region) => region?.silent ?? []);
      if (gatewaysSeen.size >= world.gateways.length && waiting.length === 0) return;
      const text = waiting.length > 0 ? `waiting for ${waiting.join(', ')}` : 'waiting for the gateways';
      if (text !== said) say(text);
      said = text;
      if (this.#deps.clock.monotonicMs() > deadline) {
        throw new UnavailableError(
          'NO_VALUES',
          `no value yet from ${waiting.join(', ') || 'some gateways'} after ${FIRST_VALUES_TIMEOUT_MS / 1000} s`,
          {
            hint: `see the logs in ${join(this.#options.state, 'logs')}`,
          },
        );
      }
      await delay(this.#deps.clock, 100, { signal });
    }
  }

  async #describe(world: World): Promise<ReadyFile> {
    const [first] = world.regions;
    if (first === undefined)
      throw new UnavailableError('WORLD_REGION', 'the world has no region', { retry: 'never' });
    const ready = RegionReady.parse(await this.#readyOf(regionName(first.id)));
    return {
      console: this.#url(first.http),
      signIn: ready.signInUrl,
      cloud: this.#url(world.cloud.http),
      api: Object.fromEntries(world.regions.map((region) => [region.id, this.#url(region.http)])),
      token: await this.#apiToken(),
      vault: join(this.#options.state, 'vault'),
      state: this.#options.state,
      processes: this.#processIds(),
    };
  }

  #processIds(): Record<string, number> {
    const ids: Record<string, number> = {};
    for (const process of this.#processes) {
      if (process.pid !== undefined) ids[process.spec.name] = process.pid;
    }
    for (const [name, pid] of this.#owned) ids[name] = pid;
    return ids;
  }

  /** Database servers are restarted by their owners, who tell the new pid in their ready files. */
  async #refreshOwned(): Promise<void> {
    for (const region of this.#world?.regions ?? []) {
      const told = RegionReady.safeParse(await this.#readyOf(regionName(region.id)).catch(() => undefined));
      if (told.data?.postgresPid !== undefined)
        this.#owned.set(`${regionName(region.id)}-postgres`, told.data.postgresPid);
    }
    const told = PostgresReady.safeParse(await this.#readyOf('cloud-postgres').catch(() => undefined));
    if (told.success) this.#owned.set('cloud-postgres-server', told.data.pid);
  }

  /** Starts a process that is kept running. @returns what its ready file says */
  async #launch(
    name: string,
    args: readonly string[],
    { signal, env = {} }: { readonly signal: AbortSignal; readonly env?: Readonly<Record<string, string>> },
  ): Promise<Record<string, unknown>> {
    signal.throwIfAborted();
    const { state, program } = this.#options;
    const readyFile = join(state, 'ready', `${name}.json`);
    const spec: ProcessSpec = {
      name,
      args: [...args, '--ready-file', readyFile],
      env: { ...this.#variables, ...env },
      readyFile,
      logFile: join(state, 'logs', `${name}.log`),
    };
    const process = new SupervisedProcess(spec, { ...this.#deps, program });
    this.#processes.push(process);
    await process.start();
    return process.ready({ signal, timeoutMs: START_TIMEOUT_MS });
  }

  async #readyOf(name: string): Promise<unknown> {
    return JSON.parse(await readFile(join(this.#options.state, 'ready', `${name}.json`), 'utf8'));
  }

  async #writeReady(): Promise<void> {
    const { readyFile } = this.#options;
    if (readyFile === undefined || this.#ready === undefined) return;
    await mkdir(dirname(resolve(readyFile)), { recursive: true });
    const temporary = `${readyFile}.new`;
    await writeFile(temporary, `${JSON.stringify(this.#ready, null, 2)}\n`, { mode: 0o600 });
    await rename(temporary, readyFile);
  }

  async #apiToken(): Promise<string> {
    return secretIn(join(this.#options.state, 'secrets', 'api-token'));
  }

  #url(portName: string): string {
    return `http://127.0.0.1:${this.#ports[portName]}`;
  }

  #path(relative: string): string {
    return resolve(this.#options.directory, relative);
  }

  #stateOf(name: string): string {
    return join(this.#options.state, name);
  }
}

const regionName = (id: string) => `region-${id}`;
const gatewayName = (id: string) => `gateway-${id}`;

/** `room-sensors` → `ROOM_SENSORS_PASSWORD`: the variable its simulator reads. */
export function passwordVariable(account: string): string {
  return `${account.toUpperCase().replaceAll('-', '_')}_PASSWORD`;
}
