import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { hasBrowser, openBrowser } from '../support/browser.ts';
import { startWorld } from '../support/world.ts';
import type { BenchResult } from './result.ts';

export const name = 'live';

const MESSAGES = 600;
const EVERY_MS = 50;
/** Far above what the simulated sensor itself says, so that its own messages are told apart. */
const FIRST_VALUE = 10_000;
const DEVICE = 'dev_air-house.office';

/** From an MQTT device's publish to the moment a page's event stream hands the value over, through the whole small world. */
export async function run(): Promise<BenchResult[]> {
  if (!hasBrowser) throw new Error('needs Chromium');
  const world = await startWorld();
  const browser = await openBrowser();
  try {
    const page = await browser.context.newPage();
    await page.goto(world.ready.signIn);
    await page.getByRole('heading', { name: 'Now', exact: true }).waitFor();
    await page.evaluate(`(() => {
      window.arrivals = {};
      const source = new EventSource('/api/v1/events?device=${DEVICE}');
      source.addEventListener('value', (message) => {
        const { point, v } = JSON.parse(message.data);
        if (point === 'temperature' && v >= ${FIRST_VALUE}) window.arrivals[v] ??= Date.now();
      });
      return new Promise((resolve) => { source.onopen = resolve; });
    })()`);
    const mqttPort = 31 + Number(new URL(world.ready.console).port);
    const client = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, {
      username: 'room-sensors',
      password: readFileSync(join(world.state, 'secrets', 'mqtt-room-sensors'), 'utf8').trim(),
    });
    const sentAt = new Map<number, number>();
    for (let i = 0; i < MESSAGES; i += 1) {
      const value = FIRST_VALUE + i;
      sentAt.set(value, Date.now());
      await client.publishAsync(
        'rooms/office/state',
        JSON.stringify({ temperature: value, humidity: 50, co2: 500, door: false, battery: 90 }),
      );
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await client.endAsync();
    const arrivals = (await page.evaluate('window.arrivals')) as Record<string, number>;
    const latencies = [...sentAt]
      .flatMap(([value, sentMs]) => (arrivals[value] === undefined ? [] : [arrivals[value] - sentMs]))
      .sort((a, b) => a - b);
    const at = (share: number) =>
      latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
    const note = `${latencies.length} of ${MESSAGES} values at ${1000 / EVERY_MS}/s seen in Chromium (values in between may be skipped), p50 ${at(0.5)} ms; MQTT device → broker → gateway → region → event stream`;
    return [{ key: 'live.latency.p99Ms', value: at(0.99), unit: 'ms', note }];
  } finally {
    await browser.close();
    await world.stop();
  }
}
