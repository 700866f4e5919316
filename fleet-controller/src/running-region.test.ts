import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { temporaryFolder } from './postgres/test-server.fixture.ts';
import { askRegion, RUNNING_FILE } from './running-region.ts';

const QUESTION = {
  method: 'POST',
  path: '/question',
  body: { a: 1 },
  answer: z.object({ ok: z.boolean() }),
} as const;

describe('a command asks the running region', () => {
  let state: string;
  beforeEach(async () => {
    state = await temporaryFolder();
  });
  afterEach(() => rm(state, { recursive: true, force: true }));

  async function answering(
    status: number,
    answer: object,
    run: (seen: string[]) => Promise<void>,
  ): Promise<void> {
    const seen: string[] = [];
    const server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      request.resume();
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    await writeFile(join(state, 'token'), 'secret\n');
    const running = { http: `http://127.0.0.1:${port}`, apiTokenFile: join(state, 'token') };
    await writeFile(join(state, RUNNING_FILE), JSON.stringify(running));
    try {
      await run(seen);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  test('with the token of its folder', async () => {
    await answering(200, { ok: true }, async (seen) => {
      expect(await askRegion(state, QUESTION)).toEqual({ ok: true });
      expect(seen).toEqual(['POST /question Bearer secret']);
    });
  });

  test('and passes on why it refuses', async () => {
    await answering(400, { detail: 'json.site: wrong', hint: 'do it right' }, async () => {
      await expect(askRegion(state, QUESTION)).rejects.toMatchObject({
        message: 'json.site: wrong',
        hint: 'do it right',
      });
    });
  });

  test('or says that none runs there', async () => {
    await expect(askRegion(state, QUESTION)).rejects.toMatchObject({
      code: 'REGION_NOT_RUNNING',
      hint: expect.stringContaining('region run'),
    });
    await answering(200, { ok: true }, async () => undefined);
    await expect(askRegion(state, QUESTION)).rejects.toMatchObject({ code: 'REGION_NOT_RUNNING' });
  });
});
