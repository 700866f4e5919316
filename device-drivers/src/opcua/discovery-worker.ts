import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeError } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import {
  AttributeIds,
  type ClientSession,
  setDebugLogger,
  setErrorLogger,
  setWarningLogger,
} from 'node-opcua-client';
import { Certificates } from './certificates.ts';
import { createClient, createSession, explain } from './connection.ts';
import { crawl } from './crawl.ts';
import { PointDescriber } from './describe-points.ts';
import type { DiscoveryOrder, FromDiscovery, ToDiscovery } from './discovery-messages.ts';
import { readLimits } from './limits.ts';

/*
 * The process of one discovery: what it takes of memory goes with it, and ending it ends everything.
 */

/** Manufacturer, product, version. @see OPC UA Part 5 §12.10 BuildInfo */
const BUILD_INFO = ['i=2263', 'i=2261', 'i=2264'];

function send(message: FromDiscovery): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

async function discover(order: DiscoveryOrder, signal: AbortSignal): Promise<void> {
  const { server } = order;
  const scratch = server.pkiDir === undefined ? mkdtempSync(join(tmpdir(), 'millwright-opcua-')) : undefined;
  try {
    const certificates = new Certificates({ clock: systemClock }, { folder: server.pkiDir ?? scratch ?? '' });
    const [own] = await certificates.own();
    const store = await certificates.open();
    const client = createClient(server, { store, own });
    try {
      await client.connect(server.url).catch((error: unknown) => {
        throw new RangeError(explain(error, { store, own, user: server.user }));
      });
      const session = await createSession(client, server.user).catch((error: unknown) => {
        throw new RangeError(explain(error, { store, own, user: server.user }));
      });
      await look(session, order, signal);
    } finally {
      await client.disconnect();
    }
  } finally {
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
  }
}

async function look(session: ClientSession, order: DiscoveryOrder, signal: AbortSignal): Promise<void> {
  const { from, maxPoints, maxNodes } = order;
  const limits = await readLimits(session);
  const [maker = '', product = '', version = ''] = await textsOf(session, BUILD_INFO);
  const describer = new PointDescriber({ session }, limits);
  const found = crawl({ session, from, nodesPerBrowse: limits.nodesPerBrowse, maxNodes, signal });
  let points = 0;
  let writable = 0;
  let methods = 0;
  let nodes = 0;
  let isCut = false;
  for (;;) {
    const { done, value } = await found.next();
    if (done) {
      ({ nodes, isCut } = value);
      break;
    }
    methods += value.filter(({ kind }) => kind === 'method').length;
    const described = await describer.describe(value.filter(({ kind }) => kind === 'variable'));
    const taken = described.slice(0, maxPoints - points);
    points += taken.length;
    writable += taken.filter(({ isWritable }) => isWritable).length;
    await send({
      op: 'points',
      points: taken.map(({ id, node, as, label }) => [
        id,
        { node, as, ...(label === undefined || label === id ? {} : { label }) },
      ]),
    });
    if (points >= maxPoints) {
      isCut = true;
      await found.return({ nodes, isCut });
      break;
    }
  }
  const notes = [
    ...(isCut
      ? [`there is more than the ${points} points told here: begin further down, or ask for more`]
      : []),
    ...[...describer.leftOut].map(([why, count]) => `left out: ${count} ${why}`),
    ...(writable === 0 ? [] : [`${writable} can be written: give those that should be a "write" block`]),
    ...(methods === 0 ? [] : [`${methods} methods: a point with "call" makes one an action`]),
  ];
  const title = [maker, product, version].filter((part) => part !== '').join(' ') || order.server.url;
  await send({ op: 'done', name: product, title, notes });
}

async function textsOf(session: ClientSession, nodeIds: readonly string[]): Promise<string[]> {
  const read = await session.read(nodeIds.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })));
  return read.map(({ value }) => (typeof value.value === 'string' ? value.value.slice(0, 100) : ''));
}

const silent = () => undefined;
setDebugLogger(silent);
setWarningLogger(silent);
setErrorLogger(silent);

const ending = new AbortController();
process.once('message', ({ order }: ToDiscovery) => {
  discover(order, ending.signal)
    .catch((error: unknown) => send({ op: 'failed', message: describeError(error) }))
    .finally(() => process.exit(0));
});
process.on('disconnect', () => ending.abort(new RangeError('nobody waits for the result any more')));
process.on('SIGINT', silent);
void send({ op: 'ready' });
