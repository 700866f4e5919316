import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidInputError } from '@millwright/protocol';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import {
  DataType,
  SecurityPolicy,
  setDebugLogger,
  setErrorLogger,
  setWarningLogger,
  Variant,
} from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';

/*
 * A large OPC UA server in a process of its own: `node test-big-server.ts <variables> <per folder> <change every ms>`.
 * Variables are `ns=1;s=v0` …; 0 ms: they never change. It tells its port to its parent and ends with it.
 */

const [variables = 0, perFolder = 1000, everyMs = 0] = process.argv.slice(2).map(Number);
for (const setLogger of [setDebugLogger, setErrorLogger, setWarningLogger]) setLogger(() => undefined);
const dir = mkdtempSync(join(tmpdir(), 'millwright-big-server-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => undefined);

const server = new OPCUAServer({
  hostname: '127.0.0.1',
  port: 0,
  serverCertificateManager: new OPCUACertificateManager({
    rootFolder: dir,
    automaticallyAcceptUnknownCertificate: true,
    disableFileWatchers: true,
  }),
  securityPolicies: [SecurityPolicy.None],
  serverCapabilities: { operationLimits: { maxNodesPerBrowse: 200, maxNodesPerRead: 500 } },
  buildInfo: { productName: 'Big Server', manufacturerName: 'Millwright' },
});
await server.initialize();
const space = server.engine.addressSpace;
if (space === null) throw new InvalidInputError('TEST', 'the server has no address space');
const namespace = space.getOwnNamespace();
const all: ReturnType<typeof namespace.addVariable>[] = [];
for (let begin = 0; begin < variables; begin += perFolder) {
  const folder = namespace.addFolder(space.rootFolder.objects, { browseName: `Folder${begin / perFolder}` });
  for (let no = begin; no < Math.min(variables, begin + perFolder); no++) {
    const value = new Variant({ dataType: DataType.Double, value: no });
    const head = { organizedBy: folder, browseName: `V${no}`, nodeId: `s=v${no}`, dataType: DataType.Double };
    all.push(namespace.addVariable({ ...head, minimumSamplingInterval: 0, value }));
  }
}
if (everyMs > 0) {
  let round = 0;
  setInterval(() => {
    round++;
    for (const variable of all) variable.setValueFromSource({ dataType: DataType.Double, value: round });
  }, everyMs);
}
await server.start();
process.send?.({ port: server.endpoints[0]?.port });
