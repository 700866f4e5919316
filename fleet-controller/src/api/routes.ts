import { createRoute, z } from '@hono/zod-openapi';
import { ALARM_ACTIONS, DeviceId, GatewayId } from '@millwright/protocol';
import * as schemas from './schemas.ts';

/** Every operation of the region's API: paths, inputs, answers. The handlers are in the files named after them. */

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { 'application/json': { schema } },
});
const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: schemas.Problem } },
});

const signedIn = [{ bearer: [] }, { session: [] }];
const guarded = {
  400: problem('A parameter or the body is wrong; `detail` names it'),
  401: problem('No valid token or session'),
  403: problem('Not allowed for this role or from this origin'),
  503: problem('The database or the gateway cannot be reached now; try again'),
};
const DeviceParams = z.object({ id: DeviceId });
const PointParams = DeviceParams.extend({
  point: z.string().max(128).openapi({ description: 'May contain dots', example: 'bearing.temperature' }),
});

export const health = createRoute({
  method: 'get',
  path: '/healthz',
  tags: ['region'],
  summary: 'Whether the region serves; needs no token',
  responses: {
    200: json(schemas.Health, 'Serving'),
    503: json(schemas.Health, 'The database is away; live values are still served'),
  },
});

export const summary = createRoute({
  method: 'get',
  path: '/api/v1/summary',
  tags: ['region'],
  summary: 'Counts for the front page',
  security: signedIn,
  responses: { 200: json(schemas.Summary, 'The region at a glance'), ...guarded },
});

export const listGateways = createRoute({
  method: 'get',
  path: '/api/v1/gateways',
  tags: ['inventory'],
  summary: 'Gateways, by id',
  security: signedIn,
  request: { query: schemas.PageQuery },
  responses: { 200: json(schemas.GatewayPage, 'One page of gateways'), ...guarded },
});

export const listDevices = createRoute({
  method: 'get',
  path: '/api/v1/devices',
  tags: ['inventory'],
  summary: 'Devices, by id',
  security: signedIn,
  request: { query: schemas.PageQuery.extend({ gateway: GatewayId.optional() }) },
  responses: { 200: json(schemas.DevicePage, 'One page of devices'), ...guarded },
});

export const getDevice = createRoute({
  method: 'get',
  path: '/api/v1/devices/{id}',
  tags: ['inventory'],
  summary: 'A device with its points and their latest values',
  security: signedIn,
  request: { params: DeviceParams },
  responses: { 200: json(schemas.DeviceDetail, 'The device'), 404: problem('No such device'), ...guarded },
});

export const getHistory = createRoute({
  method: 'get',
  path: '/api/v1/devices/{id}/points/{point}/history',
  tags: ['history'],
  summary: 'Values of a point over time: samples for short spans, buckets for long ones',
  description:
    'Without `from`, the hour before `to`; without `to`, until now. Values younger than the last stored frame come ' +
    'from the live lane (at most the last two minutes), so that a chart reaches to now; `liveFromMs` says from where.',
  security: signedIn,
  request: { params: PointParams, query: schemas.HistoryQuery },
  responses: { 200: json(schemas.History, 'The values'), 404: problem('No such point'), ...guarded },
});

export const writePoint = createRoute({
  method: 'post',
  path: '/api/v1/devices/{id}/points/{point}/write',
  tags: ['commands'],
  summary:
    'Writes a value through the gateway, which checks range and role, reads back and answers with a receipt',
  security: signedIn,
  request: {
    params: PointParams,
    body: { required: true, content: { 'application/json': { schema: schemas.WriteBody } } },
  },
  responses: {
    200: json(schemas.ReceiptView, 'What became of it: done, refused or unknown'),
    404: problem('No such point'),
    ...guarded,
  },
});

export const changeAlarm = createRoute({
  method: 'post',
  path: '/api/v1/devices/{id}/points/{point}/alarms/{alarm}/{action}',
  tags: ['commands'],
  summary:
    'Acknowledges, shelves or takes an alarm out of service at its gateway, which answers with a receipt',
  security: signedIn,
  request: {
    params: PointParams.extend({
      alarm: z.string().min(1).max(200).openapi({ example: 'hi' }),
      action: z.enum(ALARM_ACTIONS),
    }),
    body: { required: true, content: { 'application/json': { schema: schemas.AlarmRequestBody } } },
  },
  responses: {
    200: json(schemas.ReceiptView, 'What became of it: done, refused or unknown'),
    404: problem('No such device or point'),
    ...guarded,
  },
});

export const listGaps = createRoute({
  method: 'get',
  path: '/api/v1/gaps',
  tags: ['history'],
  summary: 'What is known to be missing from history, newest first',
  security: signedIn,
  request: { query: schemas.GapQuery },
  responses: { 200: json(schemas.GapPage, 'One page of gaps'), ...guarded },
});

export const listAlarms = createRoute({
  method: 'get',
  path: '/api/v1/alarms',
  tags: ['events'],
  summary: 'Alarms that people are told of now: active, or over and unacknowledged; newest first',
  security: signedIn,
  request: { query: schemas.AlarmQuery },
  responses: { 200: json(schemas.AlarmPage, 'One page of alarms'), ...guarded },
});

export const listEvents = createRoute({
  method: 'get',
  path: '/api/v1/event-log',
  tags: ['events'],
  summary: 'Lines of the gateways’ event journals: alarms, writes and their receipts, starts; newest first',
  security: signedIn,
  request: { query: schemas.EventLogQuery },
  responses: { 200: json(schemas.EventPage, 'One page of events'), ...guarded },
});

export const streamEvents = createRoute({
  method: 'get',
  path: '/api/v1/events',
  tags: ['events'],
  summary: 'Server-sent events: value, device, gateway, event, gap; reset and closed',
  description:
    'Begins with what is known now (one `value` per point, then `caught-up`) unless `Last-Event-ID` can be resumed. `value` (StreamValue) ' +
    'is the newest value of a point, at most every 50 ms per listener: values in between are skipped, the last one never is. ' +
    '`device` (StreamDevice), `gateway` (StreamGateway), `event` (Event) and `gap` (Gap) are sent one by one, in order. ' +
    '`reset` says that what was missed is no longer held: load everything anew. `closed` gives the reason when the server ' +
    'ends the stream. Comment lines are heartbeats.',
  security: signedIn,
  request: {
    query: z.object({ device: DeviceId.optional().openapi({ description: 'Only this device' }) }),
    headers: z.object({ 'last-event-id': z.string().max(100).optional() }),
  },
  responses: {
    200: {
      description: 'An endless stream',
      content: { 'text/event-stream': { schema: z.string() } },
    },
    429: problem('Too many listeners'),
    ...guarded,
  },
});

export const createEnrolmentToken = createRoute({
  method: 'post',
  path: '/api/v1/enrolment-tokens',
  tags: ['enrolment'],
  summary: 'A one-off token with which a gateway joins a site',
  security: signedIn,
  request: {
    body: { required: true, content: { 'application/json': { schema: schemas.EnrolmentTokenBody } } },
  },
  responses: { 201: json(schemas.EnrolmentTokenCreated, 'The token; it is not shown again'), ...guarded },
});

export const listEnrolmentTokens = createRoute({
  method: 'get',
  path: '/api/v1/enrolment-tokens',
  tags: ['enrolment'],
  summary: 'Enrolment tokens, newest first, without their secrets',
  security: signedIn,
  request: { query: schemas.PageQuery },
  responses: { 200: json(schemas.EnrolmentTokenPage, 'One page of tokens'), ...guarded },
});

export const revokeEnrolmentToken = createRoute({
  method: 'delete',
  path: '/api/v1/enrolment-tokens/{id}',
  tags: ['enrolment'],
  summary: 'Makes a token useless; gateways that joined with it stay',
  security: signedIn,
  request: { params: z.object({ id: z.string().max(64) }) },
  responses: { 204: { description: 'Gone' }, 404: problem('No such token'), ...guarded },
});

export const createSignInLink = createRoute({
  method: 'post',
  path: '/api/v1/sign-in-links',
  tags: ['session'],
  summary: 'A new one-time sign-in link for the console (bearer token only)',
  security: [{ bearer: [] }],
  responses: { 201: json(schemas.SignInLink, 'The link; valid for 15 minutes, once'), ...guarded },
});

export const createSession = createRoute({
  method: 'post',
  path: '/api/v1/session',
  tags: ['session'],
  summary: 'Exchanges the code of a sign-in link for a session cookie',
  request: { body: { required: true, content: { 'application/json': { schema: schemas.SignInCode } } } },
  responses: {
    200: json(schemas.SessionView, 'Signed in; the cookie is set'),
    400: guarded[400],
    401: problem('The code is wrong, used or older than 15 minutes'),
    403: guarded[403],
    429: problem('Too many tries; wait'),
    503: guarded[503],
  },
});

export const getSession = createRoute({
  method: 'get',
  path: '/api/v1/session',
  tags: ['session'],
  summary: 'Who this is',
  security: signedIn,
  responses: { 200: json(schemas.SessionView, 'The caller'), ...guarded },
});

export const endSession = createRoute({
  method: 'delete',
  path: '/api/v1/session',
  tags: ['session'],
  summary: 'Signs out',
  security: signedIn,
  responses: { 204: { description: 'Signed out' }, ...guarded },
});
