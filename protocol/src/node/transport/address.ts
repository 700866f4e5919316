import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { InvalidInputError, UnauthorizedError, UnavailableError } from '../../errors.ts';

/**
 * @param address multiaddr or `host:port`
 * @returns the address with the PeerId, so that nobody else may answer
 * @throws InvalidInputError `ADDRESS_INVALID`
 */
export function addressOf(address: string, peerId: string): Multiaddr {
  const named = /^\[?([^/\]]+)\]?:(\d{1,5})$/.exec(address);
  const [, name, port] = named ?? [];
  const kind = name?.includes(':') ? 'ip6' : /^[\d.]+$/.test(name ?? '') ? 'ip4' : 'dns';
  try {
    const target = multiaddr(named ? `/${kind}/${name}/tcp/${port}` : address);
    const stated = target.getComponents().findLast((component) => component.name === 'p2p')?.value;
    if (stated === undefined) return target.encapsulate(`/p2p/${peerIdFromString(peerId).toString()}`);
    if (stated === peerId) return target;
  } catch (cause) {
    throw new InvalidInputError('ADDRESS_INVALID', `"${address}" is not an address: ${messageOf(cause)}`, {
      hint: 'write host:port or a multiaddr such as /dns/region.example/tcp/4100',
      cause,
    });
  }
  throw new InvalidInputError('ADDRESS_INVALID', `the address ${address} names another host than ${peerId}`);
}

/** Why a connection did not come about, as what the caller may do about it. */
export function dialError(target: Multiaddr, cause: unknown): Error {
  const text = allMessages(cause);
  if (text.includes('PEER_MISMATCH')) {
    return new UnauthorizedError('PEER_MISMATCH', `somebody else answers at ${target.toString()}: ${text}`, {
      hint: 'check the address; if the host was set up anew, enrol with a new token',
      cause,
    });
  }
  return new UnavailableError('PEER_UNREACHABLE', `cannot reach ${target.toString()}: ${text}`, { cause });
}

/** Why nothing can be accepted, with the hint that a taken port deserves. */
export function listenError(listen: readonly string[], cause: unknown): Error {
  const text = allMessages(cause);
  const inUse = text.includes('EADDRINUSE');
  return new UnavailableError(
    inUse ? 'PORT_IN_USE' : 'LISTEN_FAILED',
    `cannot listen on ${listen.join(', ')}: ${text}`,
    { cause, ...(inUse ? { hint: 'another process has the port: end it or choose another port' } : {}) },
  );
}

function allMessages(error: unknown): string {
  if (error instanceof AggregateError) return [error.message, ...error.errors.map(allMessages)].join('; ');
  return messageOf(error);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
