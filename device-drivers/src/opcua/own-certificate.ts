import { X509Certificate } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type Clock, InvalidInputError } from '@millwright/protocol';
import type { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import { applicationUriOf } from './trust-list.ts';

const DAY_MS = 24 * 3600 * 1000;
const VALID_DAYS = 5 * 365;
/** Long enough for somebody at every peer to trust the new one before the old one ends. */
const RENEW_BEFORE_MS = 60 * DAY_MS;
/** A peer whose clock is behind must not find it "not yet valid". */
const BACKDATED_MS = DAY_MS;

export interface OwnCertificateFile {
  readonly file: string;
  readonly applicationUri: string;
  readonly thumbprint: string;
  readonly validToMs: number;
}

export interface OwnCertificateDeps {
  readonly clock: Pick<Clock, 'wallMs'>;
  /** Holds the private key and makes certificates; initialised. */
  readonly store: () => Promise<OPCUACertificateManager>;
}

/**
 * The application's own certificate, with the names and addresses of this machine. It is renewed in good time; the
 * one before is kept while it is valid, for peers that do not trust the new one yet.
 */
export class OwnCertificate {
  readonly #deps: OwnCertificateDeps;
  readonly #application: string;
  readonly #current: string;
  readonly #previous: string;
  #busy: Promise<unknown> = Promise.resolve();

  /** @param config.application its name, part of the application URI */
  constructor(deps: OwnCertificateDeps, config: { readonly folder: string; readonly application: string }) {
    this.#deps = deps;
    this.#application = config.application;
    this.#current = join(config.folder, 'own', 'certs', 'client_certificate.pem');
    this.#previous = join(config.folder, 'own', 'certs', 'previous_certificate.pem');
  }

  /**
   * The certificates to show, newest first; makes and renews what is due.
   * @throws UnavailableError or a file system error when it cannot be written
   */
  candidates(): Promise<readonly [OwnCertificateFile, ...OwnCertificateFile[]]> {
    const made = this.#busy.then(() => this.#ensure());
    this.#busy = made.catch(() => undefined);
    return made;
  }

  async #ensure(): Promise<[OwnCertificateFile, ...OwnCertificateFile[]]> {
    const nowMs = this.#deps.clock.wallMs();
    let current = await read(this.#current);
    if (current === undefined || current.validToMs - nowMs < RENEW_BEFORE_MS) {
      await this.#renew(nowMs, current !== undefined && current.validToMs > nowMs);
      current = await read(this.#current);
    }
    if (current === undefined) {
      throw new InvalidInputError('CERTIFICATE_INVALID', `${this.#current} is no certificate`, {
        hint: 'remove the file: a new one is made',
      });
    }
    const previous = await read(this.#previous);
    return previous === undefined || previous.validToMs <= nowMs ? [current] : [current, previous];
  }

  async #renew(nowMs: number, keepsPrevious: boolean): Promise<void> {
    const store = await this.#deps.store();
    const fresh = `${this.#current}.new`;
    await rm(fresh, { force: true });
    const host = hostname();
    await store.createSelfSignedCertificate({
      applicationUri: `urn:${host}:${this.#application}`,
      subject: `/CN=${this.#application}@${host}/O=Millwright`,
      dns: [host],
      ip: addresses(),
      startDate: new Date(nowMs - BACKDATED_MS),
      validity: VALID_DAYS,
      outputFile: fresh,
    });
    if (keepsPrevious) await rename(this.#current, this.#previous);
    await rename(fresh, this.#current);
  }
}

async function read(file: string): Promise<OwnCertificateFile | undefined> {
  try {
    const certificate = new X509Certificate(await readFile(file));
    return {
      file,
      applicationUri: applicationUriOf(certificate) ?? '',
      thumbprint: certificate.fingerprint.replaceAll(':', '').toLowerCase(),
      validToMs: Date.parse(certificate.validTo),
    };
  } catch {
    return undefined;
  }
}

function addresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((some) => some ?? []);
  return [...new Set(all.filter(({ family }) => family === 'IPv4').map(({ address }) => address))];
}
