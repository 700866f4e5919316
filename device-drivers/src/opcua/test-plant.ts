import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidInputError } from '@millwright/protocol';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import {
  DataType,
  MessageSecurityMode,
  SecurityPolicy,
  StatusCodes,
  setDebugLogger,
  setErrorLogger,
  setWarningLogger,
  Variant,
} from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';

export interface PlantOptions {
  /** Strangers' certificates are refused instead of trusted. */
  readonly isStrict?: boolean;
  /** The one who may log in; anonymous may not then. */
  readonly user?: { readonly name: string; readonly password: string };
  readonly operationLimits?: Readonly<Record<string, number>>;
  /** How many plain variables `ns=1;s=v0` … it has. */
  readonly variables?: number;
}

/** node-opcua's server with all that machines may have: an alarm, methods, history, users, small limits. */
export class OpcuaPlant {
  readonly dir: string;
  readonly #options: PlantOptions;
  readonly calls: unknown[][] = [];
  /** What it was asked for in one request, at most. */
  mostItemsPerCall = 0;
  #server: OPCUAServer | undefined;
  #setLevel: (value: number, at: Date) => void = () => undefined;
  #acknowledge: () => void = () => undefined;
  #port = 0;

  private constructor(dir: string, options: PlantOptions) {
    this.dir = dir;
    this.#options = options;
  }

  static async create(options: PlantOptions = {}): Promise<OpcuaPlant> {
    for (const setLogger of [setDebugLogger, setErrorLogger, setWarningLogger]) setLogger(() => undefined);
    const plant = new OpcuaPlant(await mkdtemp(join(tmpdir(), 'millwright-opcua-plant-')), options);
    await plant.start();
    return plant;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `opc.tcp://127.0.0.1:${this.#port}`;
  }

  /** Its own certificate, PEM. */
  certificate(): Promise<Buffer> {
    return readFile(join(this.dir, 'own', 'certs', 'certificate.pem'));
  }

  async start(): Promise<void> {
    const { isStrict = false, user, operationLimits } = this.#options;
    const store = new OPCUACertificateManager({
      rootFolder: this.dir,
      automaticallyAcceptUnknownCertificate: !isStrict,
      disableFileWatchers: true,
    });
    const server = new OPCUAServer({
      hostname: '127.0.0.1',
      port: this.#port,
      serverCertificateManager: store,
      userCertificateManager: store,
      securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
      securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
      allowAnonymous: user === undefined,
      ...(operationLimits === undefined ? {} : { serverCapabilities: { operationLimits } }),
      ...(user === undefined
        ? {}
        : {
            userManager: {
              isValidUser: (name: string, password: string) =>
                name === user.name && password === user.password,
            },
          }),
    });
    this.#server = server;
    await server.initialize();
    this.#populate(server);
    await server.start();
    this.#port = server.endpoints[0]?.port ?? this.#port;
  }

  async stop(): Promise<void> {
    await this.#server?.shutdown(0);
    this.#server = undefined;
  }

  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** The level of its tank: `ns=1;s=level`, with history, and an alarm above 80. */
  setLevel(value: number, at = new Date()): void {
    this.#setLevel(value, at);
  }

  /** Somebody at the machine has seen the alarm. */
  acknowledge(): void {
    this.#acknowledge();
  }

  /** A message that is no condition. */
  tell(message: string): void {
    const space = this.#server?.engine.addressSpace;
    space?.rootFolder.objects.server.raiseEvent('BaseEventType', {
      message: { dataType: DataType.LocalizedText, value: { text: message } },
      sourceName: { dataType: DataType.String, value: 'Plant' },
      severity: { dataType: DataType.UInt16, value: 300 },
    });
  }

  /** Subscriptions stay alive for the server, but nothing is published any more: no value, no keep-alive. */
  muteSubscriptions(): void {
    for (const session of this.#server?.engine.getSessions() ?? []) {
      const { publishEngine } = session;
      if (publishEngine === undefined) continue;
      for (const answer of ['_send_response_for_request', '_send_error_for_request']) {
        Object.defineProperty(publishEngine, answer, { value: () => undefined });
      }
    }
  }

  #populate(server: OPCUAServer): void {
    const space = server.engine.addressSpace;
    if (space === null) throw new InvalidInputError('TEST', 'the server has no address space');
    space.installAlarmsAndConditionsService();
    const namespace = space.getOwnNamespace();
    const tank = namespace.addObject({
      organizedBy: space.rootFolder.objects,
      browseName: 'Tank',
      nodeId: 's=tank',
      eventNotifier: 1,
      notifierOf: space.rootFolder.objects.server,
    });
    const level = namespace.addVariable({
      componentOf: tank,
      browseName: 'Level',
      nodeId: 's=level',
      dataType: DataType.Double,
      eventSourceOf: tank,
      minimumSamplingInterval: 10,
      accessLevel: 'CurrentRead | HistoryRead',
      userAccessLevel: 'CurrentRead | HistoryRead',
      value: new Variant({ dataType: DataType.Double, value: 50 }),
    });
    space.installHistoricalDataNode(level, { maxOnlineValues: 1000 });
    this.#setLevel = (value, at) =>
      level.setValueFromSource({ dataType: DataType.Double, value }, StatusCodes.Good, at);
    const alarm = namespace.instantiateExclusiveLimitAlarm('ExclusiveLimitAlarmType', {
      browseName: 'Overfull',
      componentOf: tank,
      conditionSource: level,
      inputNode: level,
      highLimit: 80,
      highHighLimit: 95,
      lowLimit: 5,
      lowLowLimit: 1,
    });
    alarm.conditionName?.setValueFromSource({ dataType: DataType.String, value: 'Overfull' });
    this.#acknowledge = () => {
      const branch = alarm.currentBranch();
      branch.setAckedState(true);
      alarm.raiseNewBranchState(branch);
    };
    for (let no = 0; no < (this.#options.variables ?? 0); no++) {
      namespace.addVariable({
        componentOf: tank,
        browseName: `V${no}`,
        nodeId: `s=v${no}`,
        dataType: DataType.Double,
        value: new Variant({ dataType: DataType.Double, value: no }),
      });
    }
    const input = { name: 'to', dataType: DataType.Double };
    for (const [name, inputArguments] of [
      ['drain', []],
      ['fill', [input]],
    ] as const) {
      namespace
        .addMethod(tank, { browseName: name, nodeId: `s=${name}`, inputArguments: [...inputArguments] })
        .bindMethod((values, _context, answer) => {
          this.calls.push([name, ...values.map(({ value }): unknown => value)]);
          const isRefused = values.some(({ value }) => Number(value) > 100);
          answer(null, { statusCode: isRefused ? StatusCodes.BadOutOfRange : StatusCodes.Good });
        });
    }
    server.on('request', (request: object) => {
      if (!('itemsToCreate' in request) || !Array.isArray(request.itemsToCreate)) return;
      this.mostItemsPerCall = Math.max(this.mostItemsPerCall, request.itemsToCreate.length);
    });
  }
}
