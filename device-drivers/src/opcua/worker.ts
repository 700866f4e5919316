import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeError, InvalidInputError, MillwrightError } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { setDebugLogger, setErrorLogger, setWarningLogger } from 'node-opcua-client';
import { Certificates } from './certificates.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { ServerSession } from './server-session.ts';

/*
 * The process that carries node-opcua: started by `WorkerHost`, it lives as long as the channel to it does.
 */

const sessions = new Map<number, ServerSession>();
const certificateFolders = new Map<string, Certificates>();
let scratchDir: string | undefined;

function send(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}

function certificatesIn(folder: string): Certificates {
  const known = certificateFolders.get(folder) ?? new Certificates({ clock: systemClock }, { folder });
  certificateFolders.set(folder, known);
  return known;
}

function scratch(): string {
  scratchDir ??= mkdtempSync(join(tmpdir(), 'millwright-opcua-'));
  return scratchDir;
}

async function answer(
  line: number,
  id: number,
  ask: (session: ServerSession) => Promise<FromWorker>,
): Promise<void> {
  try {
    const session = sessions.get(line);
    if (session === undefined) throw new InvalidInputError('POINT_UNKNOWN', 'there is no such line');
    send(await ask(session));
  } catch (error) {
    const kind = error instanceof InvalidInputError ? 'invalid' : 'unavailable';
    const code = error instanceof MillwrightError ? error.code : 'DEVICE_OFFLINE';
    send({ op: 'failed', line, id, kind, code, message: describeError(error) });
  }
}

async function receive(message: ToWorker): Promise<void> {
  const { line } = message;
  switch (message.op) {
    case 'open': {
      const { server, points } = message;
      const certificates = certificatesIn(server.pkiDir ?? scratch());
      const session = new ServerSession({ line, server, points, clock: systemClock, send, certificates });
      sessions.set(line, session);
      return session.start();
    }
    case 'close': {
      const session = sessions.get(line);
      sessions.delete(line);
      await session?.stop();
      return send({ op: 'closed', line });
    }
    case 'read': {
      const { id, no } = message;
      return answer(line, id, async (session) => ({ op: 'done', line, id, value: await session.read(no) }));
    }
    case 'write': {
      const { id, no, value } = message;
      return answer(line, id, async (session) => {
        await session.write(no, value);
        return { op: 'done', line, id, value: null };
      });
    }
    case 'ack':
      return sessions.get(line)?.outbox.acked(message.samples);
  }
}

const log = (...parts: readonly unknown[]) => send({ op: 'log', message: parts.map(String).join(' ') });
setDebugLogger(log);
setWarningLogger(log);
setErrorLogger(log);

process.on('message', (message: ToWorker) => void receive(message));
process.on('disconnect', () => process.exit(0));
// Ctrl-C goes to the whole terminal group; the parent decides when this process ends.
process.on('SIGINT', () => log('SIGINT is left to the parent'));
process.on('exit', () => {
  if (scratchDir !== undefined) rmSync(scratchDir, { recursive: true, force: true });
});
send({ op: 'ready' });
