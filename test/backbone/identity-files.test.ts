/** A node's certificate from an operator's files: taken when other nodes would take it, refused in words otherwise. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ensureDevelopmentCa, identityFromFiles } from '../../src/backbone/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('identityFromFiles()', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'antipode-identity-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  const files = () => ({
    caFile: join(dir, 'ca.pem'),
    certFile: join(dir, 'node.pem'),
    keyFile: join(dir, 'node-key.pem'),
  });
  const core = { nodeId: 'fra-core-1', role: 'core' } as const;

  async function issued(node: { nodeId: string; role: 'pop' | 'core' } = core) {
    const identity = await (await ensureDevelopmentCa(dir)).issue(node);
    const { caFile, certFile, keyFile } = files();
    await writeFile(caFile, identity.caPem);
    await writeFile(certFile, identity.certPem);
    await writeFile(keyFile, identity.keyPem);
    return identity;
  }

  test('is what the files hold', async () => {
    expect(await issued()).toEqual(await identityFromFiles(files(), core));
  });

  test('refuses a certificate of another node and of another role, and says which name it must have', async () => {
    await issued({ nodeId: 'fra-core-2', role: 'core' });
    await expect(identityFromFiles(files(), core)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      path: 'backbone.tls.certFile',
      message: expect.stringMatching(/URI:antipode:core:fra-core-1; it has .*antipode:core:fra-core-2/),
    });
    await issued({ nodeId: 'fra-core-1', role: 'pop' });
    await expect(identityFromFiles(files(), core)).rejects.toMatchObject({ path: 'backbone.tls.certFile' });
  });

  test('refuses the key of another certificate', async () => {
    await issued();
    const other = await (await ensureDevelopmentCa(dir)).issue(core);
    await writeFile(files().keyFile, other.keyPem);
    await expect(identityFromFiles(files(), core)).rejects.toMatchObject({ path: 'backbone.tls.keyFile' });
  });

  test('refuses a certificate that is not valid now', async () => {
    await issued();
    for (const atMs of [Date.now() + 31 * 24 * 3_600_000, Date.now() - 24 * 3_600_000]) {
      await expect(identityFromFiles(files(), core, new FakeClock(0, atMs))).rejects.toMatchObject({
        path: 'backbone.tls.certFile',
        message: expect.stringContaining('which is not now'),
      });
    }
  });

  test('names the file that is missing or is no PEM', async () => {
    await issued();
    await writeFile(files().caFile, 'nothing');
    await expect(identityFromFiles(files(), core)).rejects.toMatchObject({ path: 'backbone.tls.caFile' });
    await rm(files().caFile);
    await expect(identityFromFiles(files(), core)).rejects.toMatchObject({
      path: 'backbone.tls.caFile',
      message: expect.stringContaining('cannot be read'),
    });
  });

  test('takes what the documented openssl commands make', async () => {
    const subject = 'subjectAltName=DNS:fra-core-1,URI:antipode:core:fra-core-1';
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const run = (...args: string[]) => {
      const { status, stderr } = spawnSync('openssl', args, { cwd: dir, encoding: 'utf8' });
      expect(status, stderr).toBe(0);
    };
    run(
      'req',
      '-x509',
      ...ec,
      '-days',
      '3650',
      '-subj',
      '/CN=Antipode nodes',
      '-keyout',
      'ca-key.pem',
      '-out',
      'ca.pem',
    );
    run(
      ...['req', '-x509', ...ec, '-days', '90', '-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-subj', '/CN=fra-core-1'],
      ...['-addext', subject, '-addext', 'basicConstraints=critical,CA:FALSE'],
      ...['-keyout', 'node-key.pem', '-out', 'node.pem'],
    );
    const identity = await identityFromFiles(files(), core);
    expect(identity).toMatchObject(core);
  });
});
