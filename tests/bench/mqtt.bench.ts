import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasMosquitto, Mosquitto } from '../support/mosquitto.ts';
import { GatewayProcess, pause } from './gateway-process.ts';
import type { BenchResult } from './result.ts';

export const name = 'mqtt';

const PUBLISHERS = 20;
const TOPICS = 100;
const WARM_UP_MS = 3000;
const RUN_MS = Number(process.env.MILLWRIGHT_BENCH_MS ?? 15_000);

type Qos = 0 | 1;

/**
 * Twenty publishers, a process of their own, as fast as they are served. Through the gateway the messages become
 * points and go to the journal on disk; through a broker alone they go to one subscriber.
 */
export async function run(): Promise<BenchResult[]> {
  const throughGateway = async (qos: Qos) => gatewayRate(qos);
  const [qos0, qos1] = [await throughGateway(0), await throughGateway(1)];
  const aedes = await aedesRate();
  const mosquitto = hasMosquitto ? await mosquittoRate() : undefined;
  const what = `${PUBLISHERS} publishers, ${TOPICS} topics, JSON of 30 bytes, broker → points → journal on disk, gateway and publishers on the same ${cpus().length} cores`;
  return [
    { key: 'mqtt.qos0.ingestPerS', value: qos0, unit: 'msg/s', note: what },
    { key: 'mqtt.qos1.ingestPerS', value: qos1, unit: 'msg/s', note: `${what}; 100 in flight each` },
    ...(mosquitto === undefined
      ? []
      : [
          {
            key: 'mqtt.qos1.vsMosquitto',
            value: qos1 / mosquitto,
            unit: '×',
            note: `gateway ${qos1.toFixed(0)}/s with points and journal; mosquitto alone ${mosquitto.toFixed(0)}/s and aedes alone ${aedes.toFixed(0)}/s to one subscriber, QoS 1`,
          },
        ]),
  ];
}

async function gatewayRate(qos: Qos): Promise<number> {
  const folder = await gatewayFolder();
  const gateway = await GatewayProcess.start(folder);
  const publishers = new Publishers();
  try {
    const { mqtt } = JSON.parse(readFileSync(join(folder, 'ready.json'), 'utf8')) as { mqtt: string };
    const password = readFileSync(join(folder, 'password'), 'utf8').trim();
    await publishers.start({ port: Number(mqtt.split(':').at(-1)), qos, username: 'bench', password });
    await pause(WARM_UP_MS);
    const before = await gateway.journaled();
    await pause(RUN_MS);
    const after = await gateway.journaled();
    if (after.dropped > before.dropped) console.log(`dropped ${after.dropped - before.dropped} samples`);
    return (after.reported - before.reported) / ((after.atMs - before.atMs) / 1000);
  } finally {
    await publishers.stop();
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function aedesRate(): Promise<number> {
  const broker = fork(join(import.meta.dirname, 'mqtt-load.ts'), ['aedes'], { stdio: 'inherit' });
  try {
    const [{ port }] = (await once(broker, 'message')) as [{ port: number }];
    return await brokerRate(port);
  } finally {
    await end(broker);
  }
}

async function mosquittoRate(): Promise<number> {
  const mosquitto = await Mosquitto.started();
  try {
    return await brokerRate(mosquitto.port);
  } finally {
    await mosquitto.dispose();
  }
}

/** Messages a second that reach one subscriber, QoS 1 on both sides. */
async function brokerRate(port: number): Promise<number> {
  const subscriber = fork(join(import.meta.dirname, 'mqtt-load.ts'), ['subscribe'], { stdio: 'inherit' });
  const publishers = new Publishers();
  const count = async () => {
    subscriber.send('count');
    const [{ received }] = (await once(subscriber, 'message')) as [{ received: number }];
    return { received, atMs: performance.now() };
  };
  try {
    subscriber.send({ port, qos: 1 });
    await once(subscriber, 'message');
    await publishers.start({ port, qos: 1 });
    await pause(WARM_UP_MS);
    const before = await count();
    await pause(RUN_MS);
    const after = await count();
    return (after.received - before.received) / ((after.atMs - before.atMs) / 1000);
  } finally {
    await publishers.stop();
    await end(subscriber);
  }
}

class Publishers {
  readonly #child = fork(join(import.meta.dirname, 'mqtt-load.ts'), ['publish'], { stdio: 'inherit' });

  async start(load: {
    readonly port: number;
    readonly qos: Qos;
    readonly username?: string;
    readonly password?: string;
  }): Promise<void> {
    this.#child.send({ ...load, publishers: PUBLISHERS, topics: TOPICS });
    await once(this.#child, 'message');
  }

  stop(): Promise<void> {
    return end(this.#child);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** A gateway whose devices are the topics of the publishers, and whose limits do not stand in their way. */
async function gatewayFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millwright-bench-'));
  const points = Array.from(
    { length: TOPICS },
    (_, at) => `    v${at}: { topic: bench/${at}, pick: $.value, as: float64 }`,
  );
  const limits = 'publishesPerSecond: 1000000, bytesPerSecond: 1000000000';
  await writeFile(
    join(folder, 'gateway.yaml'),
    `name: bench
site: bench
http: { port: 0 }
broker: { port: 0, credentials: credentials.json, limits: { ${limits} } }
publish: { json: false }
detectors: false
devices: site.yaml
`,
  );
  await writeFile(
    join(folder, 'site.yaml'),
    `- id: bench\n  driver: mqtt\n  connect: { broker: local }\n  points:\n${points.join('\n')}\n`,
  );
  const args = [
    'gateway',
    'credential',
    'add',
    'bench',
    '--publish',
    'bench/#',
    '--state',
    join(folder, 'state'),
  ];
  const more = [
    '--credentials',
    join(folder, 'credentials.json'),
    '--password-file',
    join(folder, 'password'),
  ];
  const child = fork(join(import.meta.dirname, '..', '..', 'millwright.ts'), [...args, ...more], {
    stdio: 'ignore',
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`no credential: exit code ${code}`);
  return folder;
}
