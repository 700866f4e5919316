import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import { type StatusCode, StatusCodes } from 'node-opcua-client';
import { describeCertificate, parse, TrustList, thumbprintOf } from './trust-list.ts';

type Answer = (error: Error | null, status?: StatusCode) => void;

/** Opens a certificate store that trusts nobody by itself. */
export async function openStore(folder: string): Promise<ServerTrust> {
  const store = new ServerTrust(folder);
  await store.initialize();
  return store;
}

/** The library's certificate store, which also remembers whom it refused, and why. */
export class ServerTrust extends OPCUACertificateManager {
  readonly #folder: string;
  #refused: { readonly der: Buffer; readonly status: StatusCode } | undefined;
  #accepted: Buffer | undefined;

  constructor(folder: string) {
    super({ rootFolder: folder, disableFileWatchers: true });
    this.#folder = folder;
  }

  override checkCertificate(chain: Buffer | Buffer[]): Promise<StatusCode>;
  override checkCertificate(chain: Buffer | Buffer[], answer: Answer): void;
  override checkCertificate(chain: Buffer | Buffer[], answer?: Answer): Promise<StatusCode> | undefined {
    const checked = this.#check(chain);
    if (answer === undefined) return checked;
    checked.then((status) => answer(null, status), answer);
    return undefined;
  }

  /** Whether the peer that was accepted would be accepted again now. */
  async acceptsStill(): Promise<boolean> {
    if (this.#accepted === undefined) return true;
    return (await this.#check(this.#accepted)).isGood();
  }

  /** Why the peer was refused, as a sentence with what to do; undefined when it was not. */
  get refusal(): string | undefined {
    if (this.#refused === undefined) return undefined;
    const { der, status } = this.#refused;
    const whose = `the server's certificate ${thumbprintOf(der)} (${describeCertificate(der)})`;
    if (status.equals(StatusCodes.BadCertificateUntrusted)) {
      const short = thumbprintOf(der).slice(0, 12);
      return `${whose} is not trusted: compare the thumbprint, then "millwright opcua trust add ${short} --state DIR"`;
    }
    if (status.equals(StatusCodes.BadCertificateTimeInvalid)) {
      return `${whose} is valid only from ${parse(der)?.validFrom} to ${parse(der)?.validTo}`;
    }
    return `${whose} is refused: ${status.name} (${status.description})`;
  }

  async #check(chain: Buffer | Buffer[]): Promise<StatusCode> {
    // Somebody may have trusted it, or no longer, since the files were read.
    await this.reloadCertificates();
    const status = await super.checkCertificate(chain);
    const der = Array.isArray(chain) ? (chain[0] ?? Buffer.alloc(0)) : chain;
    this.#refused = status.isGood() ? undefined : { der, status };
    if (status.isGood()) this.#accepted = der;
    else await new TrustList({ folder: this.#folder }).prune();
    return status;
  }
}
