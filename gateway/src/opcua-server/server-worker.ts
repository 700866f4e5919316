import { createHash, timingSafeEqual } from 'node:crypto';
import { hostname } from 'node:os';
import { Certificates } from '@millwright/device-drivers/opcua/certificates';
import { describeError, UnavailableError } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import {
  MessageSecurityMode,
  SecurityPolicy,
  setDebugLogger,
  setErrorLogger,
  setWarningLogger,
} from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';
import { ShownSpace } from './address-space.ts';
import type { FromServer, ServerSettings, ServerUser, ToServer } from './messages.ts';

/*
 * The process of the OPC UA server that shows a gateway's points: started by `OpcuaServerHost`, it lives as long as
 * the channel to it does.
 */

const APPLICATION = 'MillwrightGateway';
const MAX_SESSIONS = 50;

let shown: ShownSpace | undefined;
let running: OPCUAServer | undefined;

function send(message: FromServer): void {
  if (process.connected) process.send?.(message);
}

async function begin(settings: ServerSettings): Promise<void> {
  const { host, port, name, version, pkiDir, users, isOpen } = settings;
  const certificates = new Certificates({ clock: systemClock }, { folder: pkiDir, application: APPLICATION });
  const [own] = await certificates.own();
  const store = await certificates.open();
  const secure = [SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes256_Sha256_RsaPss];
  const modes = [MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt];
  const server = new OPCUAServer({
    host,
    hostname: host === '0.0.0.0' || host === '::' ? hostname() : host,
    port,
    certificateFile: own.file,
    privateKeyFile: store.privateKey,
    serverCertificateManager: store,
    userCertificateManager: store,
    securityPolicies: isOpen ? [SecurityPolicy.None, ...secure] : secure,
    securityModes: isOpen ? [MessageSecurityMode.None, ...modes] : modes,
    // Finding out what there is takes no trust; reading does.
    disableDiscovery: false,
    allowAnonymous: isOpen,
    userManager: { isValidUser: (user: string, password: string) => isUser(users, user, password) },
    serverInfo: {
      applicationName: { text: `Millwright ${name}` },
      applicationUri: own.applicationUri,
      productUri: 'urn:millwright:gateway',
    },
    buildInfo: {
      productName: 'Millwright gateway',
      manufacturerName: 'Millwright',
      softwareVersion: version,
    },
    serverCapabilities: { maxSessions: MAX_SESSIONS },
  });
  running = server;
  await server.initialize();
  const space = server.engine.addressSpace;
  if (space === null) throw new UnavailableError('OPCUA_SPACE', 'the OPC UA server has no address space');
  shown = new ShownSpace({ space }, { name });
  await server.start();
  send({ op: 'listening', port: server.endpoints[0]?.port ?? port, thumbprint: own.thumbprint });
}

/** Takes as long for an unknown name as for a wrong password. */
function isUser(users: readonly ServerUser[], name: string, password: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  let isKnown = false;
  for (const user of users) {
    const matches = timingSafeEqual(digest(user.name), digest(name));
    if (timingSafeEqual(digest(user.password), digest(password)) && matches) isKnown = true;
  }
  return isKnown;
}

function receive(message: ToServer): void {
  switch (message.op) {
    case 'begin':
      begin(message.settings).catch((error: unknown) => {
        send({ op: 'failed', message: describeError(error) });
      });
      return;
    case 'devices':
      shown?.apply(message.devices);
      return;
    case 'values':
      shown?.show(message.values);
  }
}

async function end(): Promise<void> {
  await running?.shutdown(0).catch(() => undefined);
  process.exit(0);
}

const log = (...parts: readonly unknown[]) =>
  send({ op: 'log', message: parts.map(String).join(' ').slice(0, 1000) });
setDebugLogger(log);
setWarningLogger(log);
setErrorLogger(log);

process.on('message', receive);
process.on('disconnect', () => void end());
// Ctrl-C goes to the whole terminal group; the parent decides when this process ends.
process.on('SIGINT', () => log('SIGINT is left to the parent'));
send({ op: 'ready' });
