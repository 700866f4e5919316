import { join } from 'node:path';
import { type PeerCertificate, PKI_PATH, TrustList } from '@millwright/device-drivers/opcua/trust-list';
import { InvalidInputError } from '@millwright/protocol';
import { stateFiles } from '../state-files.ts';

/** Who is at the other end: a server whose values are read, or a client of this gateway's own server. */
export type OpcuaPeer = 'server' | 'client';
export type OpcuaCertificate = PeerCertificate & { readonly peer: OpcuaPeer };

/** Whom a gateway trusts in OPC UA, on both sides, by the files in its state folder. */
export class OpcuaTrust {
  readonly #lists: Readonly<Record<OpcuaPeer, TrustList>>;

  constructor({ stateDir }: { readonly stateDir: string }) {
    const { drivers, opcuaServer } = stateFiles(stateDir);
    this.#lists = {
      server: new TrustList({ folder: join(drivers, ...PKI_PATH) }),
      client: new TrustList({ folder: opcuaServer }),
    };
  }

  /** Rejected first: they may be waiting for somebody. */
  async list(): Promise<readonly OpcuaCertificate[]> {
    const [servers, clients] = await Promise.all([this.#lists.server.list(), this.#lists.client.list()]);
    const all = [...of('server', servers), ...of('client', clients)];
    return all.sort((a, b) => Number(a.state === 'trusted') - Number(b.state === 'trusted'));
  }

  /** @throws InvalidInputError `CERTIFICATE_UNKNOWN`, `CERTIFICATE_AMBIGUOUS` */
  trust(which: string): Promise<OpcuaCertificate> {
    return this.#change((list) => list.trust(which));
  }

  /** No longer trusts; forgets what was not trusted. @throws InvalidInputError as `trust` */
  remove(which: string): Promise<OpcuaCertificate> {
    return this.#change((list) => list.remove(which));
  }

  /** Trusts a certificate given as a file. @throws InvalidInputError `CERTIFICATE_INVALID` */
  async import(bytes: Uint8Array, peer: OpcuaPeer): Promise<OpcuaCertificate> {
    return { ...(await this.#lists[peer].import(bytes)), peer };
  }

  async #change(change: (list: TrustList) => Promise<PeerCertificate>): Promise<OpcuaCertificate> {
    try {
      return { ...(await change(this.#lists.server)), peer: 'server' };
    } catch (error) {
      if (!(error instanceof InvalidInputError) || error.code !== 'CERTIFICATE_UNKNOWN') throw error;
      return { ...(await change(this.#lists.client)), peer: 'client' };
    }
  }
}

function of(peer: OpcuaPeer, certificates: readonly PeerCertificate[]): OpcuaCertificate[] {
  return certificates.map((certificate) => ({ ...certificate, peer }));
}
