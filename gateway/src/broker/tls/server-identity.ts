import { generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { InvalidInputError, UnavailableError } from '@millwright/protocol';
import type { BrokerTls } from '../config.ts';

/** In a gateway's state folder: what devices are given to trust, and the key that never leaves. */
export const AUTHORITY_FILE = 'broker-ca.pem';
const AUTHORITY_KEY_FILE = 'broker-ca-key.pem';

/** What a TLS listener shows. */
export interface ServerIdentity {
  readonly cert: string;
  readonly key: string;
  /** What a client must trust; absent: the certificate came from outside. */
  readonly authorityFile?: string;
}

/**
 * The certificate of the configuration, or a fresh one signed by the gateway's own authority. The authority is made
 * once and kept; the listener's key lives in this process only.
 * @throws InvalidInputError `TLS_FILES`; UnavailableError `TLS_AUTHORITY`
 */
export async function serverIdentity(
  config: Pick<BrokerTls, 'cert' | 'key' | 'names'>,
  stateDir: string,
): Promise<ServerIdentity> {
  const { cert, key, names } = config;
  if (cert !== undefined && key !== undefined) return fromFiles(cert, key);
  const { serverCertificate } = await import('./x509.ts');
  const authority = await loadOrCreateAuthority(stateDir);
  const keyPem = newKey();
  const leaf = serverCertificate(
    { commonName: authority.commonName, keyPem: authority.keyPem },
    { commonName: hostname(), keyPem, names: [...new Set([...ownNames(), ...names])] },
  );
  return { cert: leaf + authority.certPem, key: keyPem, authorityFile: join(stateDir, AUTHORITY_FILE) };
}

async function fromFiles(certFile: string, keyFile: string): Promise<ServerIdentity> {
  try {
    const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidInputError(
      'TLS_FILES',
      `broker.tls: ${certFile} and ${keyFile} cannot be used: ${why}`,
      {
        hint: 'both must be PEM, belong together and be readable by the user the gateway runs as',
        cause,
      },
    );
  }
}

async function loadOrCreateAuthority(stateDir: string) {
  const certFile = join(stateDir, AUTHORITY_FILE);
  const keyFile = join(stateDir, AUTHORITY_KEY_FILE);
  try {
    const [cert, key] = await Promise.all([readIfThere(certFile), readIfThere(keyFile)]);
    if (cert !== undefined && key !== undefined) {
      const commonName = /^CN=(.+)$/m.exec(new X509Certificate(cert).subject)?.[1] ?? '';
      return { certPem: cert, keyPem: key, commonName };
    }
    const { authorityCertificate } = await import('./x509.ts');
    const commonName = `Millwright broker of ${hostname()}`.slice(0, 64);
    const keyPem = newKey();
    const certPem = authorityCertificate({ commonName, keyPem });
    // The key first: a certificate without its key is made anew, never trusted by half.
    await writeWhole(keyFile, keyPem, 0o600);
    await writeWhole(certFile, certPem, 0o644);
    return { certPem, keyPem, commonName };
  } catch (cause) {
    throw new UnavailableError(
      'TLS_AUTHORITY',
      `the broker's certificate authority in ${stateDir} is unusable`,
      {
        hint: `check that ${AUTHORITY_FILE} and ${AUTHORITY_KEY_FILE} are readable; delete both to begin anew`,
        cause,
      },
    );
  }
}

function newKey(): string {
  return generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey;
}

function ownNames(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap(
    (list) => list?.map(({ address }) => address) ?? [],
  );
  return ['localhost', hostname(), '127.0.0.1', '::1', ...addresses.filter((text) => isIP(text) !== 0)];
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(temporary, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
