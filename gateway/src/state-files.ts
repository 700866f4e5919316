import { join } from 'node:path';

/** What a gateway keeps in its state folder, beside what its parts keep there themselves. */
export function stateFiles(stateDir: string) {
  return {
    journal: join(stateDir, 'journal.kv'),
    /** Commands, alarms and the point catalogue. */
    state: join(stateDir, 'state.kv'),
    catalogCopy: join(stateDir, 'catalog-copy.kv'),
    /** Retained messages and sessions of the broker. */
    broker: join(stateDir, 'broker.kv'),
    /** Messages that wait for other brokers. */
    bridges: join(stateDir, 'bridges.kv'),
    /** Devices that were adopted rather than written into the site file. */
    adopted: join(stateDir, 'adopted-devices.json'),
    apiToken: join(stateDir, 'api-token'),
    ballast: join(stateDir, 'ballast'),
    drivers: join(stateDir, 'drivers'),
    /** Certificates of the OPC UA server that shows this gateway's points. */
    opcuaServer: join(stateDir, 'opcua-server', 'pki'),
  } as const;
}
