import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidInputError, type Lifecycle, type OpcuaPoint, type Value } from '@millwright/protocol';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import {
  DataType,
  MessageSecurityMode,
  SecurityPolicy,
  StatusCodes,
  Variant,
  type VariantLike,
} from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';
import type { Machine } from '../machine.ts';
import { freePort, listenError } from '../port.ts';
import type { DeviceTypeOf } from '../shipped-types.ts';

export interface OpcuaServerConfig {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Where the server's certificate and key are kept; absent: a new pair each time. */
  readonly pkiFolder?: string;
}

/** An OPC UA server that shows a machine's values under the node ids its device type declares. */
export class OpcuaMachineServer implements Lifecycle {
  readonly #machine: Machine;
  readonly #type: DeviceTypeOf<'opcua'>;
  readonly #config: OpcuaServerConfig;
  #server: OPCUAServer | undefined;
  #temporaryFolder: string | undefined;
  #port = 0;

  /** @throws InvalidInputError when the machine lacks a value of the type */
  constructor(
    deps: { readonly machine: Machine; readonly type: DeviceTypeOf<'opcua'> },
    config: OpcuaServerConfig,
  ) {
    this.#machine = deps.machine;
    this.#type = deps.type;
    this.#config = config;
    const missing = Object.keys(deps.type.points).find((name) => deps.machine.values[name] === undefined);
    if (missing !== undefined) {
      throw new InvalidInputError(
        'SIMULATOR_TYPE',
        `the machine has no value for point "${missing}" of ${deps.type.type}`,
      );
    }
  }

  /** Known after `start`. */
  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#server?.endpoints.reduce((sum, endpoint) => sum + endpoint.currentChannelCount, 0) ?? 0;
  }

  /** @throws UnavailableError `PORT_IN_USE` */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const { host } = this.#config;
    const port = this.#config.port === 0 ? await freePort(host) : this.#config.port;
    const server = await this.#create(host, port);
    this.#server = server;
    try {
      await server.initialize();
      this.#populate(server);
      await server.start();
      this.#port = port;
    } catch (error) {
      await this.stop();
      throw listenError(error, { host, port });
    }
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.shutdown(0);
    const folder = this.#temporaryFolder;
    this.#temporaryFolder = undefined;
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }

  async #create(host: string, port: number): Promise<OPCUAServer> {
    let rootFolder = this.#config.pkiFolder;
    if (rootFolder === undefined) {
      rootFolder = await mkdtemp(join(tmpdir(), 'millwright-simulator-'));
      this.#temporaryFolder = rootFolder;
    }
    return new OPCUAServer({
      host,
      hostname: host === '0.0.0.0' || host === '::' ? '' : host,
      port,
      disableDiscovery: true,
      securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
      securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
      // A toy trusts everybody; what it shows is made up.
      serverCertificateManager: new OPCUACertificateManager({
        rootFolder,
        automaticallyAcceptUnknownCertificate: true,
      }),
      serverInfo: {
        applicationName: { text: this.#type.label ?? this.#type.type },
        applicationUri: `urn:millwright:simulator:${port}`,
        productUri: 'urn:millwright:simulator',
      },
      buildInfo: { productName: this.#type.label ?? this.#type.type, manufacturerName: 'Millwright' },
    });
  }

  #populate(server: OPCUAServer): void {
    const addressSpace = server.engine.addressSpace;
    if (addressSpace === null)
      throw new InvalidInputError('OPCUA_SPACE', 'the OPC UA server has no address space');
    const namespace = addressSpace.getOwnNamespace();
    const device = namespace.addObject({
      organizedBy: addressSpace.rootFolder.objects,
      browseName: this.#type.label ?? this.#type.type,
    });
    const objects = new Map<string, typeof device>();
    for (const [name, point] of Object.entries(this.#type.points)) {
      const read = this.#machine.values[name];
      const command = this.#machine.commands[name];
      if (read === undefined) continue;
      if (point.call !== undefined) {
        const { on } = point.call;
        const object =
          objects.get(on) ?? namespace.addObject({ componentOf: device, browseName: on, nodeId: on });
        objects.set(on, object);
        const inputArguments = point.as === 'bool' ? [] : [{ name: 'value', dataType: dataTypeOf(point) }];
        namespace
          .addMethod(object, { browseName: name, nodeId: point.node, inputArguments })
          .bindMethod(([given], _context, answer) => {
            const isTaken = command?.(given === undefined ? true : fromVariant(given)) ?? true;
            answer(null, { statusCode: isTaken ? StatusCodes.Good : StatusCodes.BadOutOfRange });
          });
        continue;
      }
      const dataType = dataTypeOf(point);
      const access = command === undefined ? 'CurrentRead' : 'CurrentRead | CurrentWrite';
      const variable = namespace.addVariable({
        componentOf: device,
        browseName: name,
        displayName: point.label ?? name,
        nodeId: point.node,
        dataType,
        accessLevel: access,
        userAccessLevel: access,
        minimumSamplingInterval: 100,
      });
      variable.bindVariable({
        get: () => new Variant(toVariant(dataType, read())),
        set:
          command === undefined
            ? null
            : (variant: Variant) =>
                command(fromVariant(variant)) ? StatusCodes.Good : StatusCodes.BadOutOfRange,
      });
    }
  }
}

function dataTypeOf(point: OpcuaPoint): DataType {
  switch (point.as) {
    case 'bool':
      return DataType.Boolean;
    case 'text':
      return DataType.String;
    case 'float64':
      return DataType.Double;
    default:
      // What a controller would use for a mode or a counter; the driver widens it.
      return DataType.Int32;
  }
}

function toVariant(dataType: DataType, value: Value): VariantLike {
  return { dataType, value: typeof value === 'bigint' ? Number(value) : value };
}

function fromVariant({ value }: Variant): Value {
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string' ? value : null;
}
