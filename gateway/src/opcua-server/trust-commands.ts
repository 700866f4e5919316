import { readFile } from 'node:fs/promises';
import { InvalidInputError } from '@millwright/protocol';
import { type OpcuaCertificate, OpcuaTrust } from './opcua-trust.ts';

export interface TrustOptions {
  readonly state: string;
  readonly client?: boolean;
  readonly json?: boolean;
}

type Say = (line: string) => void;

export async function listTrust({ state, json }: TrustOptions, say: Say): Promise<void> {
  const certificates = await new OpcuaTrust({ stateDir: state }).list();
  if (json) return say(JSON.stringify(certificates, null, 2));
  if (certificates.length === 0) return say('No OPC UA application has shown a certificate yet.');
  for (const certificate of certificates) say(describe(certificate));
  return undefined;
}

/**
 * @param which a thumbprint, the beginning of one, or a PEM or DER file
 * @throws InvalidInputError `CERTIFICATE_UNKNOWN`, `CERTIFICATE_AMBIGUOUS`, `CERTIFICATE_INVALID`
 */
export async function addTrust(which: string, { state, client }: TrustOptions, say: Say): Promise<void> {
  const trust = new OpcuaTrust({ stateDir: state });
  const bytes = await bytesOf(which);
  const certificate =
    bytes === undefined
      ? await trust.trust(which)
      : await trust.import(bytes, client === true ? 'client' : 'server');
  say(describe(certificate));
  say('A running gateway connects within seconds.');
}

/** @throws InvalidInputError `CERTIFICATE_UNKNOWN`, `CERTIFICATE_AMBIGUOUS` */
export async function removeTrust(which: string, { state }: TrustOptions, say: Say): Promise<void> {
  const certificate = await new OpcuaTrust({ stateDir: state }).remove(which);
  say(`${certificate.thumbprint} is not trusted; a running gateway ends the connection within seconds`);
}

/** @returns undefined when it is meant as a thumbprint */
async function bytesOf(which: string): Promise<Uint8Array | undefined> {
  if (/^[0-9a-fA-F:]+$/.test(which)) return undefined;
  try {
    return await readFile(which);
  } catch (cause) {
    throw new InvalidInputError(
      'FILE_MISSING',
      `"${which}" is neither a thumbprint nor a file that can be read`,
      { cause },
    );
  }
}

function describe({ state, peer, thumbprint, subject, validTo }: OpcuaCertificate): string {
  return `${state.padEnd(8)} ${peer.padEnd(6)} ${thumbprint}  ${subject}  until ${validTo.slice(0, 10)}`;
}
