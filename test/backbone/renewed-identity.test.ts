/** A running node's certificate is replaced: files that change are followed, what is wrong with them is said. */
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type DevelopmentCa,
  ensureDevelopmentCa,
  identityOfDevelopment,
  identityOfFiles,
  type NodeIdentity,
  type RenewedIdentity,
} from '../../src/backbone/index.ts';
import { createMetrics, silentLogger as log, type Registry } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Backbone, temporaryCa } from './support/control.ts';
import { metricValue } from './support/workers.ts';

const DAY_MS = 24 * 3_600_000;
const node = { nodeId: 'core-1', role: 'core' } as const;
const POLL = { interval: 10, timeout: 10_000 };

let dir: string;
let clock: FakeClock;
let metrics: Registry;
let open: RenewedIdentity[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'antipode-renewed-'));
  clock = new FakeClock(0, Date.now());
  metrics = createMetrics({ processMetrics: false });
  open = [];
});
afterEach(async () => {
  for (const one of open) one.close();
  await rm(dir, { recursive: true });
});

const files = () => ({
  caFile: join(dir, 'ca.pem'),
  certFile: join(dir, 'node.pem'),
  keyFile: join(dir, 'node-key.pem'),
});

async function write({ caPem, certPem, keyPem }: NodeIdentity): Promise<void> {
  await writeFile(files().certFile, certPem);
  await writeFile(files().keyFile, keyPem);
  await writeFile(files().caFile, caPem);
}

async function follow(): Promise<RenewedIdentity> {
  const renewed = await identityOfFiles(files(), { node, clock, log, metrics });
  open.push(renewed);
  return renewed;
}

/** The watch has seen a change, and what it announced was read. */
async function read(renewed: RenewedIdentity): Promise<void> {
  // One timer is the regular look; the change makes the second.
  await expect.poll(() => clock.pendingCount, POLL).toBe(2);
  // Changes come in bursts, and each begins the wait anew.
  await new Promise((resolve) => setTimeout(resolve, 50));
  clock.advance(500);
  await renewed.settled;
}

const count = (result: string) =>
  metricValue(metrics, 'antipode_backbone_certificate_renewals_total', { node: 'core-1', result });
const refusedNow = () => metricValue(metrics, 'antipode_backbone_certificate_refused', { node: 'core-1' });

describe('identityOfFiles()', () => {
  let ca: DevelopmentCa;
  beforeEach(async () => {
    ca = await temporaryCa();
    await write(await ca.issue(node));
  });

  test('takes a new pair half a second after the last of its files changed, and tells whoever listens', async () => {
    const renewed = await follow();
    let told = 0;
    renewed.identity.onRenewed(() => {
      told += 1;
    });
    const next = await ca.issue(node);
    await write(next);
    await read(renewed);
    expect(renewed.identity.certPem).toBe(next.certPem);
    expect({ told, taken: await count('taken'), refused: await refusedNow() }).toEqual({
      told: 1,
      taken: 1,
      refused: 0,
    });
  });

  test('keeps the old pair when the new one is wrong, says so, and takes one that is right', async () => {
    const renewed = await follow();
    const old = renewed.identity.certPem;
    const next = await ca.issue(node);
    await writeFile(files().certFile, next.certPem);
    await read(renewed);
    expect(renewed.identity.certPem).toBe(old);
    expect(renewed.identity.status.refused).toMatch(/node-key\.pem is not the key of the certificate in/);
    expect([await count('refused'), await refusedNow()]).toEqual([1, 1]);
    await writeFile(files().keyFile, next.keyPem);
    await read(renewed);
    expect(renewed.identity.certPem).toBe(next.certPem);
    expect([renewed.identity.status.refused, await refusedNow()]).toEqual([null, 0]);
  });

  test.each([
    ['of another node', async () => ca.issue({ nodeId: 'core-2', role: 'core' }), /antipode:core:core-2/],
    [
      'of another CA',
      async () => ({ ...(await (await temporaryCa()).issue(node)), caPem: ca.caPem }),
      /issued by none/,
    ],
    ['that is none', async () => ({ ...(await ca.issue(node)), certPem: 'half a f' }), /no PEM/],
  ])('refuses a certificate %s', async (_what, make, words) => {
    const renewed = await follow();
    const old = renewed.identity.certPem;
    await write(await make());
    await read(renewed);
    expect(renewed.identity.certPem).toBe(old);
    expect(renewed.identity.status.refused).toMatch(words);
  });

  test('follows a Kubernetes Secret, whose files are links into a folder that is replaced', async () => {
    for (const file of Object.values(files())) await unlink(file);
    const put = async (version: string, identity: NodeIdentity) => {
      const folder = join(dir, `..${version}`);
      await mkdir(folder);
      await writeFile(join(folder, 'ca.pem'), identity.caPem);
      await writeFile(join(folder, 'node.pem'), identity.certPem);
      await writeFile(join(folder, 'node-key.pem'), identity.keyPem);
      await symlink(`..${version}`, join(dir, '..data_tmp'));
      await rename(join(dir, '..data_tmp'), join(dir, '..data'));
    };
    await put('v1', await ca.issue(node));
    for (const name of ['ca.pem', 'node.pem', 'node-key.pem']) await symlink(`..data/${name}`, join(dir, name));
    const renewed = await follow();
    const next = await ca.issue(node);
    await put('v2', next);
    await read(renewed);
    expect(renewed.identity.certPem).toBe(next.certPem);
  });

  test('reads the files when it is time, also where nobody tells of changes', async () => {
    const renewed = await follow();
    renewed.identity.onRenewed(() => {});
    const next = await ca.issue(node);
    await write(next);
    clock.advance(DAY_MS);
    await renewed.settled;
    expect(renewed.identity.certPem).toBe(next.certPem);
  });

  test('tells in how many seconds the certificate ends', async () => {
    await follow();
    const seconds = () => metricValue(metrics, 'antipode_backbone_certificate_seconds', { node: 'core-1' });
    const before = await seconds();
    expect(before).toBeGreaterThan(29.9 * 86_400);
    expect(before).toBeLessThanOrEqual(30 * 86_400);
    clock.advance(1_000_000);
    expect(await seconds()).toBeCloseTo(before - 1_000, 1);
  });

  test('close() lets go of the folder and the timers', async () => {
    const renewed = await follow();
    renewed.close();
    renewed.close();
    expect(clock.pendingCount).toBe(0);
  });
});

describe('two CAs in one file', () => {
  test('let nodes of both meet, and a node of the one that was taken out is refused', async () => {
    const [oldCa, newCa] = [await temporaryCa(), await temporaryCa()];
    const both = oldCa.caPem + newCa.caPem;
    const of = async (ca: DevelopmentCa, who: { nodeId: string; role: 'pop' | 'core' }, caPem: string) => ({
      ...(await ca.issue(who)),
      caPem,
    });
    await using backbone = await Backbone.start({ identity: await of(newCa, node, both) }, newCa);
    const pop = { nodeId: 'pop-1', role: 'pop' } as const;
    const former = await backbone.dial({ identity: await of(oldCa, pop, both) });
    expect(former.up).toBe(true);
    await using strict = await Backbone.start({ identity: await of(newCa, node, newCa.caPem) }, newCa);
    await expect(strict.dial({ identity: await of(oldCa, pop, both) })).rejects.toMatchObject({
      code: 'ERR_BACKBONE_CLOSED',
    });
  });

  test('are one bundle to a node that reads them from a file', async () => {
    const [oldCa, newCa] = [await temporaryCa(), await temporaryCa()];
    const issued = await oldCa.issue(node);
    await write({ ...issued, caPem: newCa.caPem + oldCa.caPem });
    expect((await follow()).identity.caPem).toBe(newCa.caPem + oldCa.caPem);
  });
});

describe('identityOfDevelopment()', () => {
  test('has a new certificate issued when two thirds of the old one are over', async () => {
    const renewed = await identityOfDevelopment(dir, { node, clock, log, metrics });
    open.push(renewed);
    const first = renewed.identity.certPem;
    for (let day = 0; day < 19; day++) {
      clock.advance(DAY_MS);
      await renewed.settled;
    }
    expect(renewed.identity.certPem).toBe(first);
    for (let day = 19; day < 22; day++) {
      clock.advance(DAY_MS);
      await renewed.settled;
    }
    expect(renewed.identity.certPem).not.toBe(first);
    expect(renewed.identity.secondsLeft).toBeGreaterThan(27 * 86_400);
    expect(renewed.identity.caPem).toBe((await ensureDevelopmentCa(dir, { clock })).caPem);
  });
});
