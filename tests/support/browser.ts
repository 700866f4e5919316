import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';

const EXECUTABLE = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

/** Whether a browser is here; suites that need one say so and are skipped otherwise. */
export const hasBrowser = EXECUTABLE !== undefined;

export interface Browser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

/** A headless browser with an empty profile that talks to nobody but the pages under test. */
export async function openBrowser(
  options: { readonly colorScheme?: 'light' | 'dark' } = {},
): Promise<Browser> {
  if (EXECUTABLE === undefined) throw new Error('no Chromium here');
  const profile = mkdtempSync(join(tmpdir(), 'millwright-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: EXECUTABLE,
    headless: true,
    viewport: { width: 1440, height: 900 },
    colorScheme: options.colorScheme ?? 'light',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return {
    context,
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
