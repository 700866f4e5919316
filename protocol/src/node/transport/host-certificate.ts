import { generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys';
import type { PrivateKey, PublicKey } from '@libp2p/interface';
import * as asn1 from 'asn1js';
import { InvalidInputError } from '../../errors.ts';

const LIBP2P_EXTENSION = '1.3.6.1.4.1.53594.1.1';
const SIGNED_KEY_PREFIX = new TextEncoder().encode('libp2p-tls-handshake:');
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3';
const EXTENSIONS_TAG = 3;

/** What a TLS context needs to speak for a host key. */
export interface HostCertificate {
  readonly certPem: string;
  readonly keyPem: string;
}

/**
 * A self-signed certificate of a fresh P-256 key that carries the host key and its signature over that key.
 * Its validity has no useful limits: an edge box may start with any clock, and what is trusted is the host key.
 * @see https://github.com/libp2p/specs/blob/master/tls/tls.md
 */
export async function createHostCertificate(hostKey: PrivateKey): Promise<HostCertificate> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
  const signedKey = new asn1.Sequence({
    value: [
      octets(publicKeyToProtobuf(hostKey.publicKey)),
      octets(await hostKey.sign(signedKeyMessage(spki))),
    ],
  });
  const tbs = tbsCertificate(spki, signedKey).toBER();
  const signature = sign('sha256', new Uint8Array(tbs), pair.privateKey);
  const certificate = new asn1.Sequence({
    value: [parsed(tbs), signatureAlgorithm(), new asn1.BitString({ valueHex: bufferOf(signature) })],
  });
  return {
    certPem: pem('CERTIFICATE', new Uint8Array(certificate.toBER())),
    keyPem: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/**
 * The host key that a peer's certificate proves.
 * @param der the certificate as received; the TLS handshake has proved possession of its key
 * @throws InvalidInputError `PEER_CERTIFICATE` when a rule of the libp2p TLS specification is broken
 */
export async function hostKeyOfCertificate(der: Uint8Array, nowMs: number): Promise<PublicKey> {
  const certificate = readX509(der);
  if (Date.parse(certificate.validFrom) > nowMs || Date.parse(certificate.validTo) < nowMs) {
    throw refused(`is valid from ${certificate.validFrom} to ${certificate.validTo} only`);
  }
  const certificateKey = keyOf(certificate);
  if (!certificate.verify(certificateKey)) throw refused('is not signed by its own key');
  const { hostKeyBytes, signature } = signedKeyOf(der);
  const hostKey = readHostKey(hostKeyBytes);
  if (
    !(await hostKey.verify(
      signedKeyMessage(certificateKey.export({ type: 'spki', format: 'der' })),
      signature,
    ))
  ) {
    throw refused('carries a host key that did not sign it');
  }
  return hostKey;
}

function tbsCertificate(spki: Uint8Array, signedKey: asn1.Sequence): asn1.Sequence {
  // RFC 5280 §4.1.2.2: positive and non-zero.
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return new asn1.Sequence({
    value: [
      explicit(0, new asn1.Integer({ value: 2 })),
      new asn1.Integer({ valueHex: bufferOf(serial) }),
      signatureAlgorithm(),
      distinguishedName(),
      new asn1.Sequence({
        value: [
          new asn1.UTCTime({ valueDate: new Date(0) }),
          // RFC 5280 §4.1.2.5: no well-defined expiration date.
          new asn1.GeneralizedTime({ valueDate: new Date('9999-12-31T23:59:59Z') }),
        ],
      }),
      distinguishedName(),
      parsed(bufferOf(spki)),
      explicit(
        EXTENSIONS_TAG,
        new asn1.Sequence({
          value: [
            new asn1.Sequence({
              value: [
                new asn1.ObjectIdentifier({ value: LIBP2P_EXTENSION }),
                new asn1.Boolean({ value: true }),
                octets(new Uint8Array(signedKey.toBER())),
              ],
            }),
          ],
        }),
      ),
    ],
  });
}

function distinguishedName(): asn1.Sequence {
  const name = new asn1.Sequence({
    value: [new asn1.ObjectIdentifier({ value: COMMON_NAME }), new asn1.Utf8String({ value: 'libp2p host' })],
  });
  return new asn1.Sequence({ value: [new asn1.Set({ value: [name] })] });
}

function signatureAlgorithm(): asn1.Sequence {
  return new asn1.Sequence({ value: [new asn1.ObjectIdentifier({ value: ECDSA_WITH_SHA256 })] });
}

function explicit(tagNumber: number, inner: asn1.BaseBlock): asn1.Constructed {
  return new asn1.Constructed({ idBlock: { tagClass: 3, tagNumber }, value: [inner] });
}

function octets(bytes: Uint8Array): asn1.OctetString {
  return new asn1.OctetString({ valueHex: bufferOf(bytes) });
}

function parsed(der: ArrayBuffer): asn1.BaseBlock {
  const { offset, result } = asn1.fromBER(der);
  if (offset === -1) throw refused('is not valid DER');
  return result;
}

function readX509(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (error) {
    throw refused('cannot be read', error);
  }
}

function keyOf(certificate: X509Certificate): KeyObject {
  try {
    return certificate.publicKey;
  } catch (error) {
    throw refused('has a key that cannot be read', error);
  }
}

/** The libp2p extension: a host key and its signature. Another critical extension is a reason to refuse. */
function signedKeyOf(der: Uint8Array): { hostKeyBytes: Uint8Array; signature: Uint8Array } {
  const tbs = elements(elements(parsed(bufferOf(der)))[0]);
  const wrapper = tbs.find(
    (block) => block instanceof asn1.Constructed && block.idBlock.tagNumber === EXTENSIONS_TAG,
  );
  let found: asn1.OctetString | undefined;
  for (const extension of elements(elements(wrapper)[0])) {
    const [id, ...rest] = elements(extension);
    const value = rest.at(-1);
    if (!(id instanceof asn1.ObjectIdentifier)) throw refused('has a malformed extension');
    if (id.valueBlock.toString() === LIBP2P_EXTENSION && value instanceof asn1.OctetString) found = value;
    else if (rest.some((part) => part instanceof asn1.Boolean && part.valueBlock.value)) {
      throw refused(`has the critical extension ${id.valueBlock.toString()}, which is unknown here`);
    }
  }
  if (found === undefined) throw refused('does not name a libp2p host key');
  const [key, signature] = elements(parsed(bufferOf(found.valueBlock.valueHexView)));
  if (!(key instanceof asn1.OctetString) || !(signature instanceof asn1.OctetString)) {
    throw refused('has a malformed libp2p extension');
  }
  return { hostKeyBytes: key.valueBlock.valueHexView, signature: signature.valueBlock.valueHexView };
}

function readHostKey(protobuf: Uint8Array): PublicKey {
  try {
    const key = publicKeyFromProtobuf(protobuf);
    if (key.type === 'Ed25519') return key;
  } catch (error) {
    throw refused('carries a host key that cannot be read', error);
  }
  throw refused('carries a host key that is not Ed25519');
}

function elements(block: asn1.BaseBlock | undefined): asn1.BaseBlock[] {
  return block instanceof asn1.Constructed ? block.valueBlock.value : [];
}

/** The specification signs the DER of the SubjectPublicKeyInfo, not the bare point. */
function signedKeyMessage(spki: Uint8Array): Uint8Array {
  return Buffer.concat([SIGNED_KEY_PREFIX, spki]);
}

function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

function refused(why: string, cause?: unknown): InvalidInputError {
  return new InvalidInputError('PEER_CERTIFICATE', `the peer's certificate ${why}`, { cause });
}
