import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServiceEnvironment, ServiceNotifier } from './service-notifier.ts';

const PEERS = ['systemd-notify', 'python3'];
const missing = PEERS.filter((binary) => spawnSync(binary, ['--version']).error !== undefined);
const patience = { timeout: 10_000 };

/** Listens where systemd would, and prints what arrives; Node cannot bind such a socket. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('listening', flush=True)
while True:
    for line in s.recv(4096).decode().splitlines():
        print(line, flush=True)
`;

describe.skipIf(missing.length > 0)(`the service notifier (skipped without: ${PEERS.join(', ')})`, () => {
  let folder: string;
  let listener: ChildProcess;
  let lines: string[];
  let clock: MemoryClock;
  let logger: MemoryLogger;
  let isHealthy: boolean;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-notify-'));
    lines = [];
    clock = new MemoryClock();
    logger = new MemoryLogger();
    isHealthy = true;
    listener = spawn('python3', ['-c', LISTENER, join(folder, 'notify')]);
    listener.stdout?.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trim().split('\n')));
    await vi.waitFor(() => expect(lines).toContain('listening'), patience);
  });
  afterEach(() => {
    listener.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  function notifier(environment: Record<string, unknown>): ServiceNotifier {
    return new ServiceNotifier(
      { clock, logger, isHealthy: () => isHealthy },
      { environment: ServiceEnvironment.parse({ PATH: process.env.PATH, ...environment }), pid: process.pid },
    );
  }
  const heard = (line: string) => vi.waitFor(() => expect(lines).toContain(line), patience);

  it('says ready with a status, and that it is stopping', async () => {
    const service = notifier({ NOTIFY_SOCKET: join(folder, 'notify') });
    await service.start();
    await service.ready('12 devices,\n 11 online');
    await heard('READY=1');
    await heard('STATUS=12 devices, 11 online');
    await service.status('12 devices, all online');
    await heard('STATUS=12 devices, all online');
    await service.stop();
    await heard('STOPPING=1');
    expect(logger.lines).toEqual([]);
  });

  it('gives a sign of life twice per watchdog time while healthy, and none while not', async () => {
    const service = notifier({ NOTIFY_SOCKET: join(folder, 'notify'), WATCHDOG_USEC: '4000000' });
    await service.start();
    isHealthy = false;
    await clock.advance(2000);
    await clock.advance(2000);
    isHealthy = true;
    await clock.advance(2000);
    await heard('WATCHDOG=1');
    expect(lines.filter((line) => line === 'WATCHDOG=1')).toHaveLength(1);
    await service.stop();
    await clock.advance(60_000);
    expect(lines.filter((line) => line === 'WATCHDOG=1')).toHaveLength(1);
    expect(logger.lines.map(({ level }) => level)).toEqual(['error', 'info']);
  });

  it("does not feed another process's watchdog", async () => {
    const service = notifier({
      NOTIFY_SOCKET: join(folder, 'notify'),
      WATCHDOG_USEC: '1000',
      WATCHDOG_PID: '1',
    });
    await service.start();
    await clock.advance(60_000);
    await service.stop();
    await heard('STOPPING=1');
    expect(lines).not.toContain('WATCHDOG=1');
  });

  it('complains once when systemd cannot be told', async () => {
    const service = notifier({ NOTIFY_SOCKET: join(folder, 'nobody') });
    await service.ready('x');
    await service.status('y');
    expect(logger.lines.map(({ level }) => level)).toEqual(['warn']);
    expect(logger.lines[0]?.message).toContain('systemd is not told');
  });
});

describe('the service notifier without systemd', () => {
  it('does nothing', async () => {
    const logger = new MemoryLogger();
    const service = new ServiceNotifier(
      { clock: new MemoryClock(), logger, isHealthy: () => true },
      { environment: {}, pid: 1 },
    );
    await service.stop();
    await service.start();
    await service.ready('x');
    await service.stop();
    expect(logger.lines).toEqual([]);
  });
});
