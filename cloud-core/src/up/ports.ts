import { createServer } from 'node:net';
import { InvalidInputError, UnavailableError } from '@millwright/protocol';

/** Port names → numbers, `base` plus each one's offset. @throws InvalidInputError when a number would exceed 65535 */
export function portsFrom(base: number, offsets: Readonly<Record<string, number>>): Record<string, number> {
  const ports: Record<string, number> = {};
  for (const [name, offset] of Object.entries(offsets)) {
    if (base < 1 || base + offset > 65_535) {
      throw new InvalidInputError(
        'PORT_BASE',
        `--port-base ${base}: port ${name} would be ${base + offset}, above 65535 or below 1`,
      );
    }
    ports[name] = base + offset;
  }
  return ports;
}

/** @throws UnavailableError `PORT_BUSY` naming every port that somebody else listens on, and the flag that moves them all */
export async function expectPortsFree(ports: Readonly<Record<string, number>>): Promise<void> {
  const busy: string[] = [];
  for (const [name, port] of Object.entries(ports)) {
    if (!(await isFree(port))) busy.push(`${port} (${name})`);
  }
  if (busy.length === 0) return;
  throw new UnavailableError('PORT_BUSY', `already in use on 127.0.0.1: port ${busy.join(', ')}`, {
    hint: 'end what listens there, or move this world with --port-base <number>',
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
