import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ensureDevelopmentCa } from '../../src/backbone/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

const DAY_MS = 24 * 3_600_000;

describe('ensureDevelopmentCa', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'antipode-pki-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  const files = () => readdir(join(dir, 'pki'));
  const caFile = (generation = 1) => join(dir, 'pki', `development-ca-${generation}.pem`);

  function recorder() {
    const lines: string[] = [];
    return { lines, log: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }) };
  }

  test('makes a CA at the first start, for its owner only, and finds it at the next', async () => {
    const first = await ensureDevelopmentCa(dir);
    const second = await ensureDevelopmentCa(dir);
    expect(second.caPem).toBe(first.caPem);
    expect(await files()).toEqual(['development-ca-1.pem']);
    expect((await stat(caFile())).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, 'pki'))).mode & 0o777).toBe(0o700);
    const certificate = new X509Certificate(first.caPem);
    expect(certificate.ca).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
  });

  test('issues certificates of thirty days with the names of the node, each with its own key', async () => {
    const clock = new FakeClock(0, Date.UTC(2026, 0, 1));
    const ca = await ensureDevelopmentCa(dir, { clock });
    const pop = await ca.issue({ nodeId: 'local-pop', role: 'pop' });
    const core = await ca.issue({ nodeId: 'local-core', role: 'core' });
    const certificate = new X509Certificate(pop.certPem);
    const authority = new X509Certificate(ca.caPem);
    expect(certificate.subjectAltName).toBe('DNS:local-pop, URI:antipode:pop:local-pop');
    expect(new X509Certificate(core.certPem).subjectAltName).toBe('DNS:local-core, URI:antipode:core:local-core');
    expect(certificate.checkIssued(authority) && certificate.verify(authority.publicKey)).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.validFromDate).toEqual(new Date('2025-12-31T23:55:00Z'));
    expect(certificate.validToDate).toEqual(new Date('2026-01-31T00:00:00Z'));
    expect(pop.keyPem).not.toBe(core.keyPem);
    expect(new X509Certificate(pop.certPem).serialNumber).not.toBe(new X509Certificate(core.certPem).serialNumber);
    expect(await files()).toEqual(['development-ca-1.pem']);
  });

  test('issues what openssl verifies by the letter', async () => {
    const ca = await ensureDevelopmentCa(dir);
    const { certPem } = await ca.issue({ nodeId: 'local-pop', role: 'pop' });
    await Promise.all([writeFile(join(dir, 'ca'), ca.caPem), writeFile(join(dir, 'leaf'), certPem)]);
    for (const purpose of ['sslclient', 'sslserver']) {
      const verify = ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', join(dir, 'ca'), join(dir, 'leaf')];
      expect((await promisify(execFile)('openssl', verify)).stdout).toContain('OK');
    }
  });

  test('refuses node ids that would not fit a name', async () => {
    const ca = await ensureDevelopmentCa(dir);
    for (const nodeId of ['', 'a b', 'x, URI:antipode:core:y', '-a', 'ä']) {
      await expect(ca.issue({ nodeId, role: 'pop' })).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    }
  });

  test('makes one CA when many processes start at once', async () => {
    const script = `
      import { ensureDevelopmentCa } from ${JSON.stringify(new URL('../../src/backbone/pki.ts', import.meta.url).href)};
      process.stdout.write((await ensureDevelopmentCa(${JSON.stringify(dir)})).caPem);
    `;
    const start = async () =>
      (await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])).stdout;
    const pems = await Promise.all([
      start(),
      start(),
      start(),
      start(),
      ensureDevelopmentCa(dir).then((ca) => ca.caPem),
    ]);
    expect(new Set(pems).size).toBe(1);
    expect(await files()).toEqual(['development-ca-1.pem']);
  }, 30_000);

  test('makes another, once and with a word in the log, when the CA is about to expire', async () => {
    const clock = new FakeClock(0, Date.UTC(2026, 0, 1));
    const old = await ensureDevelopmentCa(dir, { clock });
    const { lines, log } = recorder();
    const later = new FakeClock(0, Date.UTC(2026, 0, 1) + (5 * 365 - 60) * DAY_MS);
    expect((await ensureDevelopmentCa(dir, { clock: later, log })).caPem).toBe(old.caPem);
    expect(lines).toEqual([]);
    later.advance(1_000);
    const [a, b] = await Promise.all([
      ensureDevelopmentCa(dir, { clock: later, log }),
      ensureDevelopmentCa(dir, { clock: later }),
    ]);
    expect(a.caPem).toBe(b.caPem);
    expect(a.caPem).not.toBe(old.caPem);
    expect(lines.join('')).toContain('expired or about to be');
    expect((await files()).sort()).toEqual(['development-ca-1.pem', 'development-ca-2.pem']);
    expect(new X509Certificate(a.caPem).validToDate.getUTCFullYear()).toBe(2035);
  });

  test.each([
    ['empty', ''],
    ['cut short', '-----BEGIN CERTIFICATE-----\nMIIB'],
    [
      'no certificate',
      `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`,
    ],
  ])('makes another when the file is damaged: %s', async (_what, text) => {
    await ensureDevelopmentCa(dir);
    await writeFile(caFile(), text);
    const { lines, log } = recorder();
    const ca = await ensureDevelopmentCa(dir, { log });
    expect(new X509Certificate(ca.caPem).ca).toBe(true);
    expect(lines.join('')).toContain('damaged');
    expect((await ensureDevelopmentCa(dir)).caPem).toBe(ca.caPem);
  });

  test("makes another when certificate and key are not each other's", async () => {
    await ensureDevelopmentCa(dir);
    const certificate = /-----BEGIN CERTIFICATE[\s\S]+END CERTIFICATE-----\n/;
    const one = await readFile(caFile(), 'utf8');
    const elsewhere = await mkdtemp(join(tmpdir(), 'antipode-pki-'));
    const { caPem } = await ensureDevelopmentCa(elsewhere);
    await rm(elsewhere, { recursive: true });
    await writeFile(caFile(), one.replace(certificate, caPem));
    expect((await ensureDevelopmentCa(dir)).caPem).not.toBe(caPem);
    expect(await files()).toContain('development-ca-2.pem');
  });

  test('closes a file that others could read', async () => {
    await ensureDevelopmentCa(dir);
    await chmod(caFile(), 0o644);
    await ensureDevelopmentCa(dir);
    expect((await stat(caFile())).mode & 0o777).toBe(0o600);
  });

  test('never logs a key', async () => {
    const { lines, log } = recorder();
    const ca = await ensureDevelopmentCa(dir, { log });
    await ca.issue({ nodeId: 'local-pop', role: 'pop' });
    expect(lines.length).toBe(1);
    expect(lines.join('')).not.toMatch(/PRIVATE|BEGIN/);
  });

  test('says so when it cannot keep its files', async () => {
    const file = join(dir, 'a-file');
    await writeFile(file, '');
    await expect(ensureDevelopmentCa(file)).rejects.toMatchObject({
      code: 'ERR_STATE_DIR',
      message: expect.stringContaining(file),
    });
  });
});
