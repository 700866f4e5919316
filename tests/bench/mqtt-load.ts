import { createServer } from 'node:net';
import { Aedes } from 'aedes';
import { connectAsync, type MqttClient } from 'mqtt';

/** One side of the MQTT benchmark in a process of its own: `publish`, `subscribe` or a bare `aedes`. */
const IN_FLIGHT = 100;
/** Bytes given to a socket before others have their turn. */
const SOCKET_BYTES = 64 * 1024;

interface Load {
  readonly port: number;
  readonly qos: 0 | 1;
  /** What to subscribe to; default all that publishers here send. */
  readonly filter?: string;
  readonly username?: string;
  readonly password?: string;
  readonly publishers: number;
  readonly topics: number;
}

const [role] = process.argv.slice(2);
if (role === 'aedes') await serve();
else process.once('message', (load: Load) => void (role === 'publish' ? publish(load) : subscribe(load)));
process.once('disconnect', () => process.exit(0));

async function serve(): Promise<void> {
  const aedes = await Aedes.createBroker({ drainTimeout: 0 });
  const server = createServer(aedes.handle).listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'object' && address !== null ? address.port : 0 });
  });
}

async function subscribe({ port, qos, filter = 'bench/#' }: Load): Promise<void> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 });
  let received = 0;
  client.on('message', () => {
    received++;
  });
  await client.subscribeAsync(filter, { qos });
  process.on('message', () => process.send?.({ received }));
  process.send?.('ready');
}

async function publish({ port, qos, username, password, publishers, topics }: Load): Promise<void> {
  const login = username === undefined || password === undefined ? {} : { username, password };
  const clients = await Promise.all(
    Array.from({ length: publishers }, () =>
      connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4, ...login }),
    ),
  );
  process.send?.('ready');
  for (const [at, client] of clients.entries()) pump(client, at, { qos, topics });
}

function pump(client: MqttClient, first: number, { qos, topics }: { qos: 0 | 1; topics: number }): void {
  let no = first;
  let inFlight = 0;
  const next = () => {
    while (qos === 1 ? inFlight < IN_FLIGHT : client.stream.writableLength < SOCKET_BYTES) {
      no += 1;
      inFlight += 1;
      client.publish(`bench/${no % topics}`, `{"value":${no},"unit":"Cel"}`, { qos }, () => {
        inFlight -= 1;
        if (qos === 1) next();
      });
    }
    if (qos === 0) setImmediate(next);
  };
  next();
}
