import { sha256 } from '@noble/hashes/sha2.js';
import { base32 } from 'multiformats/bases/base32';
import { GatewayId } from '../ids.ts';

/** 80 bits: 16 base32 characters without a remainder. */
const DIGEST_BYTES = 10;

/**
 * The id that follows from a gateway's key, so that nobody hands out ids and nobody can take one.
 * @param publicKey raw Ed25519 public key, 32 bytes
 */
export function gatewayIdOf(publicKey: Uint8Array): GatewayId {
  return GatewayId.parse(`gw_${base32.baseEncode(sha256(publicKey).subarray(0, DIGEST_BYTES))}`);
}
