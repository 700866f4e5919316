import { OpenAPIHono, type RouteConfig } from '@hono/zod-openapi';
import * as routes from './routes.ts';
import { StreamClosed, StreamDevice, StreamGateway, StreamReset, StreamValue } from './stream-schemas.ts';

/** What the event stream carries; no route's answer names these. */
const STREAMED = { StreamValue, StreamDevice, StreamGateway, StreamReset, StreamClosed };

/** The API's description, from the same routes and schemas that serve it. OpenAPI 3.1. */
export function openApiDocument(version: string): object {
  const app = new OpenAPIHono();
  const registry = app.openAPIRegistry;
  registry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'The token in <state>/api-token',
  });
  registry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: 'millwright_session_<region>',
    description:
      'Set by POST /api/v1/session. State-changing requests also need the header x-millwright-csrf: 1.',
  });
  for (const [name, schema] of Object.entries(STREAMED)) registry.register(name, schema);
  const all: readonly RouteConfig[] = Object.values(routes);
  for (const route of all) registry.registerPath(route);
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Millwright region',
      version,
      description: 'Inventory, latest values, history, events and commands of one region.',
    },
    servers: [{ url: '/' }],
  });
}
