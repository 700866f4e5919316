import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { describe, expect, test } from 'vitest';
import { temporaryIdentity } from '../identity.ts';
import { createHostCertificate, hostKeyOfCertificate } from './host-certificate.ts';

// https://github.com/libp2p/specs/blob/master/tls/tls.md#1-valid-certificate-authenticating-an-ed25519-peer-id
const SPEC_VECTOR =
  '308201ae30820156a0030201020204499602d2300a06082a8648ce3d040302302031123010060355040a13096c69627032702e696f310a300806035504051301313020170d3735303130313133303030305a180f34303936303130313133303030305a302031123010060355040a13096c69627032702e696f310a300806035504051301313059301306072a8648ce3d020106082a8648ce3d030107034200040c901d423c831ca85e27c73c263ba132721bb9d7a84c4f0380b2a6756fd601331c8870234dec878504c174144fa4b14b66a651691606d8173e55bd37e381569ea37c307a3078060a2b0601040183a25a0101046a3068042408011220a77f1d92fedb59dddaea5a1c4abd1ac2fbde7d7b879ed364501809923d7c11b90440d90d2769db992d5e6195dbb08e706b6651e024fda6cfb8846694a435519941cac215a8207792e42849cccc6cd8136c6e4bde92a58c5e08cfd4206eb5fe0bf909300a06082a8648ce3d0403020346003043021f50f6b6c52711a881778718238f650c9fb48943ae6ee6d28427dc6071ae55e702203625f116a7a454db9c56986c82a25682f7248ea1cb764d322ea983ed36a31b77';

describe('a host certificate', () => {
  test('proves the host key, whatever the clock says', async () => {
    const { privateKey, publicKey } = await temporaryIdentity();
    const { certPem } = await createHostCertificate(privateKey);
    const der = new X509Certificate(certPem).raw;
    for (const now of [0, Date.UTC(2026), Date.UTC(2300)]) {
      expect((await hostKeyOfCertificate(der, now)).raw).toEqual(publicKey);
    }
  });

  test('is a certificate to OpenSSL, too', async () => {
    const { privateKey } = await temporaryIdentity();
    const { certPem, keyPem } = await createHostCertificate(privateKey);
    const dir = mkdtempSync(join(tmpdir(), 'certificate-'));
    try {
      writeFileSync(join(dir, 'cert.pem'), certPem);
      const text = execFileSync('openssl', ['x509', '-in', join(dir, 'cert.pem'), '-noout', '-text'], {
        encoding: 'utf8',
      });
      expect(text).toContain('Not After : Dec 31 23:59:59 9999 GMT');
      expect(text).toMatch(/1\.3\.6\.1\.4\.1\.53594\.1\.1: critical/);
    } finally {
      rmSync(dir, { recursive: true });
    }
    expect(keyPem).toContain('BEGIN PRIVATE KEY');
  });

  test('of the specification is understood', async () => {
    const key = await hostKeyOfCertificate(Buffer.from(SPEC_VECTOR, 'hex'), Date.UTC(2026));
    expect(key.toString()).toBe('12D3KooWM6CgA9iBFZmcYAHA6A2qvbAxqfkmrYiRQuz3XEsk4Ksv');
  });

  test('is refused when any byte of it was changed', async () => {
    const { privateKey, publicKey } = await temporaryIdentity();
    const der = new X509Certificate((await createHostCertificate(privateKey)).certPem).raw;
    let refused = 0;
    for (let at = 0; at < der.length; at++) {
      const changed = Uint8Array.from(der);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      const key = await hostKeyOfCertificate(changed, Date.UTC(2026)).catch((error) => {
        expect(error).toMatchObject({ code: 'PEER_CERTIFICATE' });
        refused += 1;
      });
      // ECDSA signatures and DER have a few bytes with more than one spelling; none may yield another key.
      if (key !== undefined) expect(key.raw).toEqual(publicKey);
    }
    expect(refused).toBeGreaterThan(der.length - 4);
  });

  test('of another key type, garbage and nothing are refused', async () => {
    const other = await createHostCertificate(await generateKeyPair('secp256k1'));
    for (const bytes of [
      new X509Certificate(other.certPem).raw,
      Buffer.from(SPEC_VECTOR, 'hex').subarray(0, 300),
      new Uint8Array(0),
      new Uint8Array(500).fill(0x30),
    ]) {
      await expect(hostKeyOfCertificate(bytes, Date.UTC(2026))).rejects.toMatchObject({
        code: 'PEER_CERTIFICATE',
      });
    }
  });
});
