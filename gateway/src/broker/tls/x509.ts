import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIP, SocketAddress } from 'node:net';
import * as asn1 from 'asn1js';

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3';
const SUBJECT_KEY_ID = '2.5.29.14';
const KEY_USAGE = '2.5.29.15';
const ALTERNATIVE_NAMES = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const AUTHORITY_KEY_ID = '2.5.29.35';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
/** Bits from the left. @see RFC 5280 §4.2.1.3 */
const DIGITAL_SIGNATURE = 0x80;
const CERT_AND_CRL_SIGN = 0x06;

export interface Issuer {
  readonly commonName: string;
  /** P-256 private key, PEM. */
  readonly keyPem: string;
}

/**
 * A self-signed authority. Its validity has no useful limits: an edge box may start with any clock, and whoever
 * trusts it does so because a person carried it over.
 */
export function authorityCertificate(issuer: Issuer): string {
  const key = createPublicKey(issuer.keyPem);
  return signed(issuer, issuer.commonName, key, [
    extension(BASIC_CONSTRAINTS, sequence(new asn1.Boolean({ value: true })), { critical: true }),
    extension(KEY_USAGE, bits(CERT_AND_CRL_SIGN, 1), { critical: true }),
    extension(SUBJECT_KEY_ID, octets(keyId(key))),
  ]);
}

/** A server's certificate. @param names DNS names and IP addresses */
export function serverCertificate(
  issuer: Issuer,
  server: { readonly commonName: string; readonly keyPem: string; readonly names: readonly string[] },
): string {
  const key = createPublicKey(server.keyPem);
  const authority = keyId(createPublicKey(issuer.keyPem));
  return signed(issuer, server.commonName, key, [
    extension(BASIC_CONSTRAINTS, sequence()),
    extension(KEY_USAGE, bits(DIGITAL_SIGNATURE, 7), { critical: true }),
    extension(EXTENDED_KEY_USAGE, sequence(new asn1.ObjectIdentifier({ value: SERVER_AUTH }))),
    extension(ALTERNATIVE_NAMES, sequence(...server.names.map(generalName))),
    extension(SUBJECT_KEY_ID, octets(keyId(key))),
    extension(AUTHORITY_KEY_ID, sequence(tagged(0, authority))),
  ]);
}

function signed(issuer: Issuer, subject: string, key: KeyObject, extensions: asn1.Sequence[]): string {
  // RFC 5280 §4.1.2.2: positive and non-zero.
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const body = sequence(
    explicit(0, new asn1.Integer({ value: 2 })),
    new asn1.Integer({ valueHex: bufferOf(serial) }),
    algorithm(),
    name(issuer.commonName),
    sequence(
      new asn1.UTCTime({ valueDate: new Date('2020-01-01T00:00:00Z') }),
      // RFC 5280 §4.1.2.5: no well-defined expiration date.
      new asn1.GeneralizedTime({ valueDate: new Date('9999-12-31T23:59:59Z') }),
    ),
    name(subject),
    asn1.fromBER(bufferOf(key.export({ type: 'spki', format: 'der' }))).result,
    explicit(3, sequence(...extensions)),
  );
  const signature = sign('sha256', new Uint8Array(body.toBER()), createPrivateKey(issuer.keyPem));
  const certificate = sequence(body, algorithm(), new asn1.BitString({ valueHex: bufferOf(signature) }));
  return pem(new Uint8Array(certificate.toBER()));
}

function name(commonName: string): asn1.Sequence {
  const pair = sequence(
    new asn1.ObjectIdentifier({ value: COMMON_NAME }),
    new asn1.Utf8String({ value: commonName.slice(0, 64) }),
  );
  return sequence(new asn1.Set({ value: [pair] }));
}

/** @see RFC 5280 §4.2.1.6: dNSName [2], iPAddress [7] */
function generalName(text: string): asn1.Primitive {
  return isIP(text) === 0 ? tagged(2, Buffer.from(text, 'latin1')) : tagged(7, addressBytes(text));
}

function addressBytes(text: string): Buffer {
  if (isIP(text) === 4) return Buffer.from(text.split('.').map(Number));
  // Node writes an IPv6 address out in its canonical form: at most one "::".
  const { address } = new SocketAddress({ address: text.split('%')[0] ?? text, family: 'ipv6' });
  const [head = '', tail] = address.split('::');
  const words = (part: string) => part.split(':').filter((word) => word !== '');
  const before = words(head);
  const after = tail === undefined ? [] : words(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const all = tail === undefined ? before : [...before, ...zeros, ...after];
  return Buffer.from(
    all.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 0xff]),
  );
}

/** @see RFC 5280 §4.2.1.2, method 1 */
function keyId(key: KeyObject): Uint8Array {
  const { result } = asn1.fromBER(bufferOf(key.export({ type: 'spki', format: 'der' })));
  const block = result instanceof asn1.Sequence ? result.valueBlock.value.at(-1) : undefined;
  const point = block instanceof asn1.BitString ? block.valueBlock.valueHexView : new Uint8Array();
  return createHash('sha1').update(point).digest();
}

function extension(id: string, value: asn1.BaseBlock, options: { readonly critical?: boolean } = {}) {
  return sequence(
    new asn1.ObjectIdentifier({ value: id }),
    ...(options.critical === true ? [new asn1.Boolean({ value: true })] : []),
    octets(new Uint8Array(value.toBER())),
  );
}

function algorithm(): asn1.Sequence {
  return sequence(new asn1.ObjectIdentifier({ value: ECDSA_WITH_SHA256 }));
}

function sequence(...value: asn1.BaseBlock[]): asn1.Sequence {
  return new asn1.Sequence({ value });
}

function explicit(tagNumber: number, inner: asn1.BaseBlock): asn1.Constructed {
  return new asn1.Constructed({ idBlock: { tagClass: 3, tagNumber }, value: [inner] });
}

function tagged(tagNumber: number, bytes: Uint8Array): asn1.Primitive {
  return new asn1.Primitive({ idBlock: { tagClass: 3, tagNumber }, valueHex: bufferOf(bytes) });
}

function bits(byte: number, unusedBits: number): asn1.BitString {
  return new asn1.BitString({ valueHex: Uint8Array.of(byte).buffer, unusedBits });
}

function octets(bytes: Uint8Array): asn1.OctetString {
  return new asn1.OctetString({ valueHex: bufferOf(bytes) });
}

function pem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
