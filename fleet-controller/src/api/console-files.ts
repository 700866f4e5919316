import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serveStatic } from '@hono/node-server/serve-static';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context, MiddlewareHandler } from 'hono';
import type { ApiConfig, ApiEnv } from './environment.ts';
import { problem } from './problem.ts';

/** Vite names these by their content. */
const IMMUTABLE = 'public, max-age=31536000, immutable';
const NOT_BUILT = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Millwright: console not built</title>
<h1>The console is not built yet</h1>
<p>This region runs and its API answers. Build its web console once, then reload this page:</p>
<pre>npm run build --workspace @millwright/fleet-controller</pre>
</html>
`;

function keepAssets(path: string, context: Context): void {
  context.header('cache-control', path.includes('/assets/') ? IMMUTABLE : 'no-cache');
}

/** The built console: its files, and its page for every other path, because routes are the console's own. */
export function serveConsole(api: OpenAPIHono<ApiEnv>, config: ApiConfig): void {
  const root = config.consoleDirectory;
  const page = join(root, 'index.html');
  let files: MiddlewareHandler<ApiEnv> | undefined;
  api.use('*', (context, next) => {
    // It may be built while the region runs; until then there is no folder to serve.
    if (files === undefined && existsSync(root)) files = serveStatic({ root, onFound: keepAssets });
    return files === undefined ? next() : files(context, next);
  });
  api.get('*', async (context) => {
    if (/^\/(api|assets)\//.test(context.req.path)) {
      return problem(context, 404, 'NOT_FOUND', `there is nothing at ${context.req.path}`);
    }
    context.header('cache-control', 'no-cache');
    if (!existsSync(page)) return context.html(NOT_BUILT, 503);
    return context.html(await readFile(page, 'utf8'));
  });
}
