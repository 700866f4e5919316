import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InlineDevice, InvalidInputError, PointId, PointNo } from '@millwright/protocol';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import {
  MessageSecurityMode,
  SecurityPolicy,
  StatusCodes,
  setDebugLogger,
  setErrorLogger,
  setWarningLogger,
  Variant,
  VariantArrayType,
} from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';
import type { DriverDevice } from '../driver.ts';

/** A device as its site file would describe it. */
export function opcuaDevice(config: Readonly<Record<string, unknown>>): DriverDevice<'opcua'> {
  const spec = InlineDevice.parse({ driver: 'opcua', ...config });
  if (spec.driver !== 'opcua') throw new InvalidInputError('TEST', 'not an OPC UA device');
  const ids = Object.keys(spec.points).map((id) => PointId.parse(id));
  return { spec, numbers: new Map(ids.map((id, index) => [id, PointNo.parse(index)])) };
}

interface Scalar {
  readonly dataType: number;
  readonly value: unknown;
}

/** node-opcua's server with a few variables, `ns=1;s=<name>`. Its files end with it. */
export class OpcuaTestServer {
  readonly #dir: string;
  readonly #values = new Map<string, Scalar>();
  readonly #status = new Map<string, typeof StatusCodes.Good>();
  readonly #typeless: ReadonlySet<string>;
  readonly #touch = new Map<string, () => void>();
  #server: OPCUAServer | undefined;
  #port = 0;

  constructor(dir: string, typeless: readonly string[]) {
    this.#dir = dir;
    this.#typeless = new Set(typeless);
  }

  /**
   * @param variables their first values
   * @param typeless those that may hold a value of any type
   */
  static async create(
    variables: Readonly<Record<string, Scalar>>,
    typeless: readonly string[] = [],
  ): Promise<OpcuaTestServer> {
    for (const setLogger of [setDebugLogger, setErrorLogger, setWarningLogger]) setLogger(() => undefined);
    const dir = await mkdtemp(join(tmpdir(), 'millwright-opcua-server-'));
    const server = new OpcuaTestServer(dir, typeless);
    for (const [name, value] of Object.entries(variables)) server.#values.set(name, value);
    await server.start();
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get sessions(): number {
    return this.#server?.engine.currentSessionCount ?? 0;
  }

  async start(): Promise<void> {
    const store = new OPCUACertificateManager({
      rootFolder: this.#dir,
      automaticallyAcceptUnknownCertificate: true,
      disableFileWatchers: true,
    });
    const server = new OPCUAServer({
      hostname: '127.0.0.1',
      port: this.#port,
      serverCertificateManager: store,
      userCertificateManager: store,
      securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
      securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    });
    this.#server = server;
    await server.initialize();
    const space = server.engine.addressSpace;
    if (space === null) throw new InvalidInputError('TEST', 'the server has no address space');
    const namespace = space.getOwnNamespace();
    const folder = namespace.addObject({ organizedBy: space.rootFolder.objects, browseName: 'Device' });
    for (const [name, { dataType }] of this.#values) {
      const variable = namespace.addVariable({
        componentOf: folder,
        browseName: name,
        nodeId: `s=${name}`,
        dataType: this.#typeless.has(name) ? 'BaseDataType' : dataType,
        minimumSamplingInterval: 10,
        value: {
          get: () =>
            this.#status.get(name) ??
            new Variant({ arrayType: VariantArrayType.Scalar, ...this.#values.get(name) }),
          set: (written: Scalar) => {
            this.#values.set(name, { dataType: written.dataType, value: written.value });
            return StatusCodes.Good;
          },
        },
      });
      this.#touch.set(name, () => variable.touchValue());
    }
    await server.start();
    this.#port = server.endpoints[0]?.port ?? this.#port;
  }

  /** Its own certificate, PEM. */
  certificate(): Promise<Buffer> {
    return readFile(join(this.#dir, 'own', 'certs', 'certificate.pem'));
  }

  async stop(): Promise<void> {
    await this.#server?.shutdown(0);
    this.#server = undefined;
  }

  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  set(name: string, value: Scalar): void {
    this.#status.delete(name);
    this.#values.set(name, value);
    this.#touch.get(name)?.();
  }

  fail(name: string, status: typeof StatusCodes.Good): void {
    this.#status.set(name, status);
    this.#touch.get(name)?.();
  }

  get(name: string): unknown {
    return this.#values.get(name)?.value;
  }

  /** Forgets every session, as a server does with those that expired. */
  dropSessions(): void {
    const engine = this.#server?.engine;
    for (const { authenticationToken } of engine?.getSessions() ?? []) {
      engine?.closeSession(authenticationToken, true, 'Timeout');
    }
  }
}

/** The cable between gateway and server: it can be pulled, and it can fall silent without being pulled. */
export class Cable {
  readonly #target: () => number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  isSilent = false;
  accepted = 0;

  constructor(target: () => number) {
    this.#target = target;
  }

  get port(): number {
    return this.#port;
  }

  async plugIn(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer((near) => this.#join(near)).listen(this.#port, '127.0.0.1');
    this.#server = server;
    await new Promise((resolve) => server.once('listening', resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  async pull(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  connections(): number {
    return this.#sockets.size;
  }

  #join(near: Socket): void {
    this.accepted++;
    const far = connect(this.#target(), '127.0.0.1');
    this.#sockets.add(near);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (bytes) => {
        if (!this.isSilent) to.write(bytes);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        this.#sockets.delete(near);
      });
    }
  }
}
