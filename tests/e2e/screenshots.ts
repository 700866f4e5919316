import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openBrowser } from '../support/browser.ts';
import { startWorld } from '../support/world.ts';

/**
 * Takes the pictures of `docs/console/` from a running small world:
 * `npm run screenshots -w @millwright/tests`; a number after `--` is the seconds of history to wait for.
 */
const waitS = Number(process.argv[2] ?? 90);
const target = join(import.meta.dirname, '..', '..', 'docs', 'console');
const SCREENS = {
  now: '/',
  devices: '/devices',
  device: '/devices/dev_press-hall.cooling-pump',
  gateways: '/gateways',
} as const;

mkdirSync(target, { recursive: true });
const world = await startWorld();
const browser = await openBrowser();
try {
  const page = await browser.context.newPage();
  await page.goto(world.ready.signIn);
  await page.getByRole('heading', { name: 'Now', exact: true }).waitFor();
  await page.waitForTimeout(waitS * 1000);
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [width, height] of [
      [1440, 900],
      [390, 844],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height });
      for (const [name, path] of Object.entries(SCREENS)) {
        await page.goto(new URL(path, world.ready.console).href);
        await page.locator('h1').first().waitFor();
        await page.waitForTimeout(2500);
        await page.screenshot({ path: join(target, `${name}-${colorScheme}-${width}.png`) });
      }
    }
  }
} finally {
  await browser.close();
  await world.stop();
}
