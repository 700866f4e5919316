import type { Clock } from '@millwright/protocol';
import { OwnCertificate, type OwnCertificateFile } from './own-certificate.ts';
import { openStore, type ServerTrust } from './server-trust.ts';

/** Part of the certificate: a change needs a new one. */
export const APPLICATION_NAME = 'Millwright';

/** The certificates of one PKI folder, for all sessions that use it. */
export class Certificates {
  readonly folder: string;
  readonly #own: OwnCertificate;

  constructor(
    { clock }: { readonly clock: Pick<Clock, 'wallMs'> },
    config: { readonly folder: string; readonly application?: string },
  ) {
    this.folder = config.folder;
    this.#own = new OwnCertificate(
      { clock, store: () => openStore(config.folder) },
      { folder: config.folder, application: config.application ?? APPLICATION_NAME },
    );
  }

  /** A store with the trust list as it is now. */
  async open(): Promise<ServerTrust> {
    return openStore(this.folder);
  }

  /** Our own certificates, newest first; what is due is renewed. */
  own(): Promise<readonly [OwnCertificateFile, ...OwnCertificateFile[]]> {
    return this.#own.candidates();
  }
}
