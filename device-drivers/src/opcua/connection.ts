import { readFile } from 'node:fs/promises';
import { describeError, InvalidInputError } from '@millwright/protocol';
import {
  type ClientSession,
  MessageSecurityMode,
  OPCUAClient,
  SecurityPolicy,
  type UserIdentityInfo,
  UserTokenType,
} from 'node-opcua-client';
import { APPLICATION_NAME } from './certificates.ts';
import type { OpcuaServer } from './messages.ts';
import type { OwnCertificateFile } from './own-certificate.ts';
import type { ServerTrust } from './server-trust.ts';

const SESSION_TIMEOUT_MS = 30_000;
const MAX_SENTENCE = 250;

/** A client for one attempt to connect: it never tries again by itself. */
export function createClient(
  server: Pick<OpcuaServer, 'security' | 'mode' | 'timeoutMs'>,
  { store, own }: { readonly store: ServerTrust; readonly own: OwnCertificateFile },
): OPCUAClient {
  return OPCUAClient.create({
    applicationName: APPLICATION_NAME,
    applicationUri: own.applicationUri,
    certificateFile: own.file,
    clientCertificateManager: store,
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 0 },
    securityPolicy: SecurityPolicy[server.security],
    securityMode: modeOf(server),
    transportTimeout: server.timeoutMs,
    defaultTransactionTimeout: server.timeoutMs,
    requestedSessionTimeout: SESSION_TIMEOUT_MS,
  });
}

/** @throws InvalidInputError `USER_CERTIFICATE` when its files cannot be read */
export async function createSession(client: OPCUAClient, user: OpcuaServer['user']): Promise<ClientSession> {
  return client.createSession(await identityOf(user));
}

async function identityOf(user: OpcuaServer['user']): Promise<UserIdentityInfo> {
  if (user === undefined) return { type: UserTokenType.Anonymous };
  if ('name' in user) {
    return { type: UserTokenType.UserName, userName: user.name, password: user.password };
  }
  try {
    const [certificate, key] = await Promise.all([
      readFile(user.certificateFile, 'utf8'),
      readFile(user.keyFile, 'utf8'),
    ]);
    return { type: UserTokenType.Certificate, certificateData: derOf(certificate), privateKey: key };
  } catch (cause) {
    throw new InvalidInputError(
      'USER_CERTIFICATE',
      `the user certificate cannot be read: ${describeError(cause)}`,
      { cause },
    );
  }
}

function derOf(pem: string): Buffer {
  const body = /-----BEGIN CERTIFICATE-----([\s\S]+?)-----END CERTIFICATE-----/.exec(pem)?.[1];
  if (body === undefined) throw new InvalidInputError('USER_CERTIFICATE', 'it holds no PEM certificate');
  return Buffer.from(body, 'base64');
}

/** A policy without a mode means the strongest one. */
function modeOf({ security, mode }: Pick<OpcuaServer, 'security' | 'mode'>): MessageSecurityMode {
  if (security === 'None' && mode === 'none') return MessageSecurityMode.None;
  return mode === 'sign' ? MessageSecurityMode.Sign : MessageSecurityMode.SignAndEncrypt;
}

const IDENTITY_REFUSED = /BadIdentityToken|BadUserAccessDenied|BadUserSignatureInvalid/;
const CERTIFICATE_REFUSED = /BadSecurityChecksFailed|BadCertificate|rejected by server|security/i;

/** Why there is no session, as one sentence that says what to do where something can be done. */
export function explain(
  error: unknown,
  { store, own, user }: { store: ServerTrust; own: OwnCertificateFile; user: OpcuaServer['user'] },
): string {
  if (store.refusal !== undefined) return store.refusal;
  const text = describeError(error).replaceAll(/\s+/g, ' ').trim();
  if (IDENTITY_REFUSED.test(text)) {
    const who =
      user === undefined ? 'anonymous sessions' : 'name' in user ? `the user "${user.name}"` : 'the user';
    return `the server refuses ${who}: ${text}`.slice(0, MAX_SENTENCE);
  }
  if (CERTIFICATE_REFUSED.test(text)) {
    const ours = `our certificate ${own.thumbprint}`;
    return `the server refuses the connection; it may have to be told to trust ${ours}: ${text}`.slice(
      0,
      MAX_SENTENCE,
    );
  }
  return text.slice(0, MAX_SENTENCE);
}
