import { X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InvalidInputError } from '@millwright/protocol';

/** Where a driver keeps the certificates, below the folder of the drivers' files. */
export const PKI_PATH = ['opcua', 'pki'] as const;
/** A flood of made-up certificates must not fill the disk: the oldest refused ones go. */
const MAX_REJECTED = 100;
const MAX_FILE_BYTES = 64 * 1024;
/** What a person has to type of a thumbprint at least. */
const MIN_PREFIX = 8;

/** The certificate of somebody at the other end, as the trust list keeps it. */
export interface PeerCertificate {
  /** SHA-1 of the certificate in lower-case hex: OPC UA's name for it. @see OPC UA Part 6 §6.2.2 */
  readonly thumbprint: string;
  readonly state: 'trusted' | 'rejected';
  readonly subject: string;
  /** The application's name in it, such as `urn:press-2:Server`; empty where there is none. */
  readonly application: string;
  readonly validFrom: string;
  readonly validTo: string;
  /** When it came into its folder. */
  readonly sinceMs: number;
}

interface Kept extends PeerCertificate {
  readonly file: string;
}

/**
 * Whom an OPC UA application trusts: files in the folders every OPC UA product uses, so that certificates can also
 * be put there by hand. Nobody is trusted at first sight: a stranger's certificate waits among the rejected ones.
 */
export class TrustList {
  readonly #folder: string;

  /** @param options.folder the PKI folder, with `trusted/certs` and `rejected` below it */
  constructor({ folder }: { readonly folder: string }) {
    this.#folder = folder;
  }

  /** Rejected first, newest first. Files that are no certificate are left alone and not listed. */
  async list(): Promise<readonly PeerCertificate[]> {
    return (await this.#all()).map(({ file: _file, ...certificate }) => certificate);
  }

  /**
   * Trusts a certificate that was seen and rejected.
   * @param which its thumbprint, or the beginning of it
   * @throws InvalidInputError `CERTIFICATE_UNKNOWN`, `CERTIFICATE_AMBIGUOUS`
   */
  async trust(which: string): Promise<PeerCertificate> {
    const found = await this.#find(which);
    if (found.state === 'rejected') await this.#move(found, this.#trusted);
    return withoutFile({ ...found, state: 'trusted' });
  }

  /**
   * Trusts a certificate before it was ever seen: that of a server one is about to connect.
   * @param bytes PEM or DER
   * @throws InvalidInputError `CERTIFICATE_INVALID`
   */
  async import(bytes: Uint8Array): Promise<PeerCertificate> {
    const certificate = parse(bytes);
    if (certificate === undefined) {
      throw new InvalidInputError('CERTIFICATE_INVALID', 'that is no X.509 certificate in PEM or DER');
    }
    const thumbprint = thumbprintOf(certificate.raw);
    await this.#forget(thumbprint);
    await mkdir(this.#trusted, { recursive: true });
    await writeFile(join(this.#trusted, `${thumbprint}.pem`), certificate.toString());
    return withoutFile(await this.#find(thumbprint));
  }

  /**
   * Trusts a certificate no longer; one that was not trusted is forgotten.
   * @throws InvalidInputError `CERTIFICATE_UNKNOWN`, `CERTIFICATE_AMBIGUOUS`
   */
  async remove(which: string): Promise<PeerCertificate> {
    const found = await this.#find(which);
    if (found.state === 'trusted') await this.#move(found, this.#rejected);
    else await rm(found.file, { force: true });
    return withoutFile({ ...found, state: 'rejected' });
  }

  /** Keeps the number of rejected certificates within its bound. */
  async prune(): Promise<void> {
    const rejected = (await this.#all()).filter(({ state }) => state === 'rejected');
    await Promise.all(rejected.slice(MAX_REJECTED).map(({ file }) => rm(file, { force: true })));
  }

  get #trusted(): string {
    return join(this.#folder, 'trusted', 'certs');
  }

  get #rejected(): string {
    return join(this.#folder, 'rejected');
  }

  async #all(): Promise<Kept[]> {
    const [rejected, trusted] = await Promise.all([
      certificatesIn(this.#rejected, 'rejected'),
      certificatesIn(this.#trusted, 'trusted'),
    ]);
    return [rejected, trusted].flatMap((some) => some.sort((a, b) => b.sinceMs - a.sinceMs));
  }

  async #find(which: string): Promise<Kept> {
    const prefix = which.replaceAll(/[:\s]/g, '').toLowerCase();
    const found = (await this.#all()).filter(({ thumbprint }) => thumbprint.startsWith(prefix));
    const distinct = new Set(found.map(({ thumbprint }) => thumbprint));
    const [first] = found;
    if (first === undefined || prefix.length < MIN_PREFIX) {
      throw new InvalidInputError(
        'CERTIFICATE_UNKNOWN',
        `there is no certificate with the thumbprint "${which.slice(0, 80)}"`,
        { hint: `"millwright opcua trust list" shows those there are; give at least ${MIN_PREFIX} digits` },
      );
    }
    if (distinct.size > 1) {
      throw new InvalidInputError('CERTIFICATE_AMBIGUOUS', `several thumbprints begin with "${prefix}"`);
    }
    return found.find(({ state }) => state === 'trusted') ?? first;
  }

  async #move(certificate: Kept, folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    const twins = (await this.#all()).filter(
      ({ thumbprint, file }) => thumbprint === certificate.thumbprint && file !== certificate.file,
    );
    await rename(certificate.file, join(folder, basename(certificate.file)));
    await Promise.all(twins.map(({ file }) => rm(file, { force: true })));
  }

  async #forget(thumbprint: string): Promise<void> {
    const known = (await this.#all()).filter((certificate) => certificate.thumbprint === thumbprint);
    await Promise.all(known.map(({ file }) => rm(file, { force: true })));
  }
}

/** OPC UA's name for a certificate. */
export function thumbprintOf(der: Uint8Array): string {
  return parse(der)?.fingerprint.replaceAll(':', '').toLowerCase() ?? '';
}

/** Whom a certificate is about, in one line. */
export function describeCertificate(bytes: Uint8Array): string {
  const certificate = parse(bytes);
  return certificate === undefined ? 'an unreadable certificate' : subjectOf(certificate);
}

function withoutFile({ file: _file, ...certificate }: Kept): PeerCertificate {
  return certificate;
}

async function certificatesIn(folder: string, state: Kept['state']): Promise<Kept[]> {
  const names = await readdir(folder).catch(() => []);
  const read = await Promise.all(names.map((name) => certificateIn(join(folder, name), state)));
  return read.filter((certificate) => certificate !== undefined);
}

async function certificateIn(file: string, state: Kept['state']): Promise<Kept | undefined> {
  const about = await stat(file).catch(() => undefined);
  if (about === undefined || !about.isFile() || about.size > MAX_FILE_BYTES) return undefined;
  const bytes = await readFile(file).catch(() => undefined);
  const certificate = bytes && parse(bytes);
  if (certificate === undefined) return undefined;
  return {
    thumbprint: certificate.fingerprint.replaceAll(':', '').toLowerCase(),
    state,
    subject: subjectOf(certificate),
    application: applicationUriOf(certificate) ?? '',
    validFrom: new Date(certificate.validFrom).toISOString(),
    validTo: new Date(certificate.validTo).toISOString(),
    sinceMs: about.mtimeMs,
    file,
  };
}

/** The first certificate of a PEM or DER file. */
export function parse(bytes: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(bytes);
  } catch {
    return undefined;
  }
}

export function applicationUriOf(certificate: X509Certificate): string | undefined {
  return /(?:^|, )URI:([^,]+)/.exec(certificate.subjectAltName ?? '')?.[1];
}

function subjectOf({ subject }: X509Certificate): string {
  return subject.split('\n').reverse().join(', ').slice(0, 300);
}
