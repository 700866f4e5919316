import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceSlug } from '@millwright/protocol';
import { MemoryClock } from '@millwright/protocol/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Driver } from '../driver.ts';
import { Recorder } from '../testing/index.ts';
import { Certificates } from './certificates.ts';
import { opcuaDriver } from './index.ts';
import { openStore } from './server-trust.ts';
import { opcuaDevice } from './test-peer.ts';
import { OpcuaPlant } from './test-plant.ts';
import { TrustList } from './trust-list.ts';

const patience = { timeout: 60_000, interval: 50 };
const slow = { timeout: 150_000 };
const DAY_MS = 24 * 3600 * 1000;
const tank = 'tank' as DeviceSlug;
const until = (check: () => void | Promise<void>) => vi.waitFor(check, patience);

let stateDir: string;
let folder: string;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'millwright-opcua-test-'));
  folder = join(stateDir, 'opcua', 'pki');
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

describe('our own certificate', () => {
  it('carries the names and addresses of this machine, and is the same next time', slow, async () => {
    const clock = new MemoryClock();
    const [own, ...others] = await new Certificates({ clock }, { folder }).own();
    expect(others).toEqual([]);
    const certificate = new X509Certificate(readFileSync(own.file));
    expect(certificate.subjectAltName).toContain(`DNS:${hostname()}`);
    expect(certificate.subjectAltName).toContain('IP Address:127.0.0.1');
    expect(own.applicationUri).toBe(`urn:${hostname()}:Millwright`);
    const [again] = await new Certificates({ clock }, { folder }).own();
    expect(again.thumbprint).toBe(own.thumbprint);
  });

  it('is renewed sixty days before it ends, and the one before stays usable until then', slow, async () => {
    const clock = new MemoryClock();
    const certificates = new Certificates({ clock }, { folder });
    const [first] = await certificates.own();
    await clock.advance(first.validToMs - clock.wallMs() - 61 * DAY_MS);
    expect(await certificates.own()).toHaveLength(1);
    await clock.advance(2 * DAY_MS);
    const [second, before] = await certificates.own();
    expect(second.thumbprint).not.toBe(first.thumbprint);
    expect(before?.thumbprint).toBe(first.thumbprint);
    await clock.advance(60 * DAY_MS);
    expect((await certificates.own()).map(({ thumbprint }) => thumbprint)).toEqual([second.thumbprint]);
  });
});

describe('the trust list', () => {
  const seen = async (name: string): Promise<Buffer> => {
    const other = join(stateDir, name);
    const [own] = await new Certificates(
      { clock: new MemoryClock() },
      { folder: other, application: name },
    ).own();
    const der = new X509Certificate(readFileSync(own.file)).raw;
    const store = await openStore(folder);
    expect((await store.checkCertificate(der)).isGood()).toBe(false);
    return der;
  };

  it('keeps a stranger as rejected until somebody trusts it, and takes the trust back', slow, async () => {
    const der = await seen('Stranger');
    const list = new TrustList({ folder });
    const [rejected] = await list.list();
    expect(rejected).toMatchObject({ state: 'rejected', application: `urn:${hostname()}:Stranger` });
    const thumbprint = rejected?.thumbprint ?? '';
    await list.trust(thumbprint.slice(0, 10).toUpperCase());
    expect((await list.list()).map(({ state }) => state)).toEqual(['trusted']);
    const store = await openStore(folder);
    expect((await store.checkCertificate(der)).isGood()).toBe(true);
    await list.remove(thumbprint);
    expect(await store.acceptsStill()).toBe(false);
    expect(store.refusal).toContain(thumbprint);
    await list.remove(thumbprint);
    expect(await list.list()).toEqual([]);
  });

  it('takes a certificate as a file, and names what is none', slow, async () => {
    const der = await seen('Stranger');
    const list = new TrustList({ folder });
    const trusted = await list.import(der);
    expect(await list.list()).toEqual([trusted]);
    expect((await (await openStore(folder)).checkCertificate(der)).isGood()).toBe(true);
    await expect(list.import(Buffer.from('nothing'))).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
    await expect(list.trust('0123456789')).rejects.toMatchObject({ code: 'CERTIFICATE_UNKNOWN' });
    await expect(list.remove(trusted.thumbprint.slice(0, 4))).rejects.toMatchObject({
      code: 'CERTIFICATE_UNKNOWN',
    });
  });

  it('holds no more rejected certificates than its bound', slow, async () => {
    const der = await seen('Stranger');
    for (let no = 0; no < 120; no++) writeFileSync(join(folder, 'rejected', `copy-${no}.pem`), der);
    await new TrustList({ folder }).prune();
    expect(readdirSync(join(folder, 'rejected'))).toHaveLength(100);
  });
});

describe('a session whose certificates change', () => {
  let plant: OpcuaPlant;
  let seen: Recorder;
  let driver: Driver | undefined;

  beforeAll(async () => {
    plant = await OpcuaPlant.create({ isStrict: true });
  }, 60_000);
  afterAll(() => plant.dispose(), 60_000);
  beforeEach(() => {
    seen = new Recorder();
  });
  afterEach(async () => {
    await driver?.stop();
    driver = undefined;
  }, 60_000);

  async function connect(): Promise<void> {
    const security = { security: 'Basic256Sha256', mode: 'sign+encrypt' };
    const points = { level: { node: 'ns=1;s=level', as: 'float64', subscribe: { publish: '50ms' } } };
    const device = opcuaDevice({ id: tank, connect: { url: plant.url, timeout: '5s', ...security }, points });
    driver = opcuaDriver.create([device], seen.deps({ stateDir }));
    await driver.start();
  }
  const why = () => {
    const state = seen.states.at(-1)?.state;
    return state?.online === false ? state.why : '';
  };
  const ours = async () => (await new Certificates({ clock: seen.clock }, { folder }).own())[0];
  const trustAtServer = async (file: string) => {
    await new TrustList({ folder: plant.dir }).import(readFileSync(file));
    await plant.stop();
    await plant.start();
  };

  it('begins when both sides trust each other, and ends when the trust is taken back', slow, async () => {
    await trustAtServer((await ours()).file);
    await connect();
    await until(() => expect(seen.history(tank)).toEqual(['down']));
    const thumbprint = new X509Certificate(await plant.certificate()).fingerprint
      .replaceAll(':', '')
      .toLowerCase();
    expect(why()).toContain(thumbprint);
    expect(why()).toContain('millwright opcua trust add');
    const list = new TrustList({ folder });
    await list.trust(thumbprint);
    await until(() => expect(seen.history(tank)).toEqual(['down', 'up']));
    await list.remove(thumbprint);
    await until(() => expect(seen.history(tank)).toEqual(['down', 'up', 'down']));
    expect(why()).toContain('is not trusted');
  });

  it('goes on with the certificate before while the server does not trust the new one', slow, async () => {
    await new TrustList({ folder }).import(await plant.certificate());
    const dueSoon = new MemoryClock();
    await dueSoon.advance(Date.now() - dueSoon.wallMs() - (5 * 365 - 50) * DAY_MS);
    const [old] = await new Certificates({ clock: dueSoon }, { folder }).own();
    await trustAtServer(old.file);
    await connect();
    await until(() => expect(seen.history(tank).at(-1)).toBe('up'));
    const fresh = await ours();
    expect(fresh.thumbprint).not.toBe(old.thumbprint);
    await until(() =>
      expect(seen.logger.lines.map(({ message }) => message).join()).toContain(fresh.thumbprint),
    );
    await trustAtServer(fresh.file);
    renameSync(join(folder, 'own', 'certs', 'previous_certificate.pem'), join(stateDir, 'gone.pem'));
    await until(() => expect(seen.history(tank).at(-1)).toBe('up'));
    await until(() => expect(seen.samples.at(-1)?.q).toBe('good'));
  });

  it('comes back by itself after our certificate was renewed under way', slow, async () => {
    await new TrustList({ folder }).import(await plant.certificate());
    const first = await ours();
    await trustAtServer(first.file);
    await connect();
    await until(() => expect(seen.history(tank).at(-1)).toBe('up'));
    rmSync(first.file);
    const second = await ours();
    expect(second.thumbprint).not.toBe(first.thumbprint);
    await new TrustList({ folder: plant.dir }).import(readFileSync(second.file));
    await until(() =>
      expect(seen.history(tank).filter((state) => state === 'down').length).toBeGreaterThan(0),
    );
    await trustAtServer(second.file);
    await until(() => expect(seen.history(tank).at(-1)).toBe('up'));
  });
});
