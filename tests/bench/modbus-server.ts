import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/**
 * A Modbus TCP server of 65,536 registers per unit that all count up until they are written, as fast as sockets allow:
 * the benchmark must measure the gateway, not its peer. Run as a process with how many ports it should open (default 1): prints
 * them on one line.
 */
const HEADER_BYTES = 7;
const WRITE_ONE = 6;
const ports = await Promise.all(Array.from({ length: Number(process.argv[2] ?? 1) }, listen));
console.log(ports.join(' '));
process.once('disconnect', () => process.exit(0));

async function listen(): Promise<number> {
  const server = createServer((socket) => serve(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

function serve(socket: Socket): void {
  const written = new Map<number, number>();
  let pending = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      if (pending.length < HEADER_BYTES + 5) return;
      const length = 6 + pending.readUInt16BE(4);
      if (pending.length < length) return;
      socket.write(answer(pending.subarray(0, length), written));
      pending = pending.subarray(length);
    }
  });
}

/** @see Modbus Application Protocol V1.1b3 §6.3, §6.6 */
function answer(request: Buffer, written: Map<number, number>): Buffer {
  const start = request.readUInt16BE(8);
  const count = request.readUInt16BE(10);
  if (request[7] === WRITE_ONE) {
    written.set(start, count);
    return request;
  }
  const response = Buffer.allocUnsafe(9 + 2 * count);
  request.copy(response, 0, 0, 4);
  response.writeUInt16BE(3 + 2 * count, 4);
  response[6] = request[6] ?? 0;
  response[7] = request[7] ?? 3;
  response[8] = 2 * count;
  const now = Math.floor(performance.now() / 100);
  for (let i = 0; i < count; i += 1) response.writeUInt16BE((start + i + now) & 0xffff, 9 + 2 * i);
  for (const [at, word] of written) {
    if (at >= start && at < start + count) response.writeUInt16BE(word, 9 + 2 * (at - start));
  }
  return response;
}
