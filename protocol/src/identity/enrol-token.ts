import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { base64url } from 'multiformats/bases/base64';
import { InvalidInputError, UnauthorizedError } from '../errors.ts';

const MIN_SECRET_BYTES = 16;
const PEER = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/;
const TOKEN = /^mwt1\.(12D3KooW[1-9A-HJ-NP-Za-km-z]{44})\.([A-Za-z0-9_-]{22,86})$/;

/**
 * What an operator carries from a region to a new gateway: `mwt1.<region PeerId>.<base64url secret>`.
 * The PeerId lets the gateway know its region before the first byte; the secret, at least 128 bits, is spent once.
 */
export interface EnrolToken {
  /** libp2p PeerId of the region's Ed25519 key. */
  readonly regionPeer: string;
  readonly secret: string;
}

/** @throws InvalidInputError when the PeerId is not one of an Ed25519 key or the secret is shorter than 128 bits */
export function formatEnrolToken(parts: {
  readonly regionPeer: string;
  readonly secret: Uint8Array;
}): string {
  if (!PEER.test(parts.regionPeer)) {
    throw new InvalidInputError('PEER_ID', `"${parts.regionPeer}" is not the PeerId of an Ed25519 key`);
  }
  if (parts.secret.length < MIN_SECRET_BYTES) {
    throw new InvalidInputError(
      'TOKEN_SECRET',
      `an enrolment secret needs ${MIN_SECRET_BYTES} bytes, not ${parts.secret.length}`,
    );
  }
  return `mwt1.${parts.regionPeer}.${base64url.baseEncode(parts.secret)}`;
}

/**
 * Surrounding white space is ignored: tokens come from files and clipboards.
 * @throws UnauthorizedError `TOKEN_MALFORMED`, never with the token in its message
 */
export function parseEnrolToken(text: string): EnrolToken {
  const match = TOKEN.exec(text.trim());
  const [, regionPeer, secret] = match ?? [];
  if (regionPeer === undefined || secret === undefined) {
    throw new UnauthorizedError(
      'TOKEN_MALFORMED',
      'the enrolment token is not of the form mwt1.<region>.<secret>',
      { hint: 'copy the whole line that "millwright region token" printed' },
    );
  }
  return { regionPeer, secret };
}

/** What a region keeps of a token it issued: hex SHA-256 of the trimmed text. */
export function enrolTokenDigest(token: string): string {
  return bytesToHex(sha256(new TextEncoder().encode(token.trim())));
}
