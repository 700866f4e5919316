import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Certificates } from '@millwright/device-drivers/opcua/certificates';
import { MemoryClock } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AccessToken } from '../api/access-token.ts';
import { certificateRoutes } from '../api/certificate-routes.ts';
import { Door } from '../api/guard.ts';
import { OpcuaTrust } from './opcua-trust.ts';
import { addTrust, listTrust, removeTrust } from './trust-commands.ts';

const slow = { timeout: 60_000 };
let state: string;
let file: string;
let thumbprint: string;

beforeEach(async () => {
  state = mkdtempSync(join(tmpdir(), 'millwright-trust-'));
  const folder = join(state, 'machine');
  const [own] = await new Certificates({ clock: new MemoryClock() }, { folder, application: 'Press' }).own();
  [file, thumbprint] = [own.file, own.thumbprint];
}, 60_000);
afterEach(() => rmSync(state, { recursive: true, force: true }));

/** As the driver keeps the certificate of a server it met. */
function met(): void {
  const rejected = join(state, 'drivers', 'opcua', 'pki', 'rejected');
  mkdirSync(rejected, { recursive: true });
  renameSync(file, join(rejected, 'press.pem'));
}

describe('the shell', () => {
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  beforeEach(() => said.splice(0));

  it('lists who waits, trusts by the beginning of a thumbprint, and takes the trust back', slow, async () => {
    met();
    await listTrust({ state }, say);
    expect(said.join()).toMatch(new RegExp(`^rejected server ${thumbprint} .*Press@`));
    await addTrust(thumbprint.slice(0, 12), { state }, say);
    expect(await new OpcuaTrust({ stateDir: state }).list()).toMatchObject([
      { thumbprint, state: 'trusted', peer: 'server' },
    ]);
    await removeTrust(thumbprint, { state }, say);
    expect(await new OpcuaTrust({ stateDir: state }).list()).toMatchObject([{ state: 'rejected' }]);
  });

  it('trusts a client by its file, and says what is neither file nor thumbprint', slow, async () => {
    await addTrust(file, { state, client: true }, say);
    expect(await new OpcuaTrust({ stateDir: state }).list()).toMatchObject([
      { thumbprint, state: 'trusted', peer: 'client' },
    ]);
    await expect(addTrust('no-such-file', { state }, say)).rejects.toMatchObject({ code: 'FILE_MISSING' });
    await expect(addTrust('0123456789', { state }, say)).rejects.toMatchObject({
      code: 'CERTIFICATE_UNKNOWN',
    });
  });
});

describe('the local API', () => {
  async function api() {
    const tokenPath = join(state, 'api-token');
    const token = await AccessToken.load(tokenPath);
    const door = new Door({ token, clock: new MemoryClock() }, { isOpen: true });
    const app = certificateRoutes({ sources: { opcuaTrust: new OpcuaTrust({ stateDir: state }) }, door });
    const key = readFileSync(tokenPath, 'utf8').trim();
    const post = (body: object, authorization = `Bearer ${key}`) =>
      app.request('/certificates', {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: JSON.stringify(body),
      });
    return { app, post };
  }

  it('shows certificates, and changes the trust for whoever has the token only', slow, async () => {
    met();
    const { app, post } = await api();
    const list = async () => (await app.request('/certificates')).json();
    expect(await list()).toMatchObject({ items: [{ thumbprint, state: 'rejected', peer: 'server' }] });
    const trust = { action: 'trust', thumbprint };
    expect((await post(trust, 'Bearer wrong')).status).toBe(401);
    expect(await list()).toMatchObject({ items: [{ state: 'rejected' }] });
    expect(await (await post(trust)).json()).toMatchObject({ thumbprint, state: 'trusted' });
    expect(await (await post({ action: 'remove', thumbprint })).json()).toMatchObject({ state: 'rejected' });
  });

  it('takes a certificate as text, and refuses what is none', slow, async () => {
    const { post } = await api();
    const pem = readFileSync(file, 'utf8');
    expect(await (await post({ action: 'import', pem, peer: 'client' })).json()).toMatchObject({
      thumbprint,
      peer: 'client',
    });
    const refused = await post({ action: 'import', pem: 'nothing' });
    expect([refused.status, await refused.json()]).toMatchObject([400, { code: 'CERTIFICATE_INVALID' }]);
    expect((await post({ action: 'trust', thumbprint: '0123456789' })).status).toBe(404);
    expect((await post({ action: 'burn' })).status).toBe(400);
  });
});
