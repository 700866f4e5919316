import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Browser, hasBrowser, openBrowser } from '../support/browser.ts';
import { type RunningWorld, startWorld } from '../support/world.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PUMP = '/devices/dev_press-hall.cooling-pump';

let world: RunningWorld;
let browser: Browser;
let page: Page;
const problems: string[] = [];

/** axe and the page's own log, for one screen. */
async function expectClean(screen: string): Promise<void> {
  // Run by the debugger, as the page's own policy allows no foreign script.
  const violations = await page.evaluate(
    `(() => { ${axeSource}; return axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target.join(' ')).join(', '))); })()`,
  );
  expect(violations, screen).toEqual([]);
}

describe.skipIf(!hasBrowser)('the console in a browser (needs Chromium)', () => {
  beforeAll(async () => {
    world = await startWorld();
    browser = await openBrowser();
    page = await browser.context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('401')) problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(String(error)));
  });
  afterAll(async () => {
    await browser?.close();
    await world?.stop();
  });

  it('asks for a sign-in link, takes one, and takes none twice', async () => {
    await page.goto(world.ready.console);
    await page.getByRole('heading', { name: 'Sign in to Millwright' }).waitFor();
    await expectClean('sign-in');
    await page.goto(world.ready.signIn);
    await page.getByRole('heading', { name: 'Now', exact: true }).waitFor();
    expect(page.url()).not.toContain('code=');

    const other = await openBrowser();
    const stranger = await other.context.newPage();
    await stranger.goto(world.ready.signIn);
    await stranger.getByRole('alert').waitFor();
    await other.close();
  });

  it('shows the region at one glance', async () => {
    await page.getByText('Devices online').waitFor();
    await page.getByRole('heading', { name: 'What needs you' }).waitFor();
    await expectClean('now');
  });

  it('lists and finds devices', async () => {
    await page.getByRole('link', { name: 'Devices' }).first().click();
    await page.getByRole('row', { name: /Cooling pump/ }).waitFor();
    await expectClean('devices');
    await page.getByRole('searchbox', { name: 'Search devices' }).fill('opcua');
    await page.getByText(/^1 of /).waitFor();
    await page.getByRole('row', { name: /Air handler/ }).waitFor();
  });

  it('shows live values that move, and a chart', async () => {
    await page.goto(new URL(PUMP, world.ready.console).href);
    const flow = page.getByRole('row', { name: /^Flow/ }).locator('td.value').first();
    await flow.waitFor();
    const before = await flow.textContent();
    await expect.poll(() => flow.textContent(), { timeout: 30_000 }).not.toBe(before);
    await page.locator('.trend canvas').waitFor();
    await page.getByRole('radio', { name: '1 h' }).click();
    await page.locator('.trend canvas').waitFor();
    expect(await page.locator('.trend figcaption').textContent()).toContain('Flow:');
    await expectClean('device');
  });

  it('writes a set-point by keyboard alone and shows the receipt', async () => {
    const button = page.getByRole('button', { name: /^Write .*speed/i }).first();
    await button.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await expectClean('write dialog');
    await page.keyboard.type('999999999');
    expect(await page.getByRole('button', { name: 'Write to the device' }).isDisabled()).toBe(true);
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('1200');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Done' }).waitFor();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
  });

  it('lists gateways', async () => {
    await page.getByRole('link', { name: 'Gateways' }).first().click();
    await page.getByRole('row', { name: /press-hall/ }).waitFor();
    await expectClean('gateways');
  });

  it('works in the dark and on a narrow screen without sideways scrolling', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    for (const path of ['/', '/devices', PUMP, '/gateways']) {
      await page.setViewportSize({ width: 390, height: 844 });
      await page.goto(new URL(path, world.ready.console).href);
      await page.locator('h1').first().waitFor();
      await page.waitForLoadState('networkidle').catch(() => undefined);
      const overflow = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect(overflow, path).toBeLessThanOrEqual(0);
      await expectClean(`dark ${path}`);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.emulateMedia({ colorScheme: 'light' });
  });

  it('says when the region is gone, and recovers by itself', async () => {
    const pid = world.current().processes['region-north'];
    if (pid === undefined) throw new Error('region-north does not run');
    process.kill(pid, 'SIGKILL');
    await page.getByText(/No connection to the region/).waitFor({ timeout: 30_000 });
    await page.getByText(/No connection to the region/).waitFor({ state: 'detached', timeout: 60_000 });
  });

  it('logged no error of its own', () => {
    expect(problems.filter((text) => !/ERR_|Failed to load resource|status of 50/.test(text))).toEqual([]);
  });
});
