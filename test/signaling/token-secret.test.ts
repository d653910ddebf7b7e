import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadTokenSecret } from '../../src/signaling/index.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'antipode-secret-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const noSecret = { auth: { tokenSecret: null } };

describe('loadTokenSecret()', () => {
  it('makes a secret once, for the owner alone, and finds it again', async () => {
    const stateDir = join(dir, 'state');
    const secret = await loadTokenSecret({ ...noSecret, stateDir });
    expect(secret.length).toBe(32);
    expect((await stat(join(stateDir, 'token-secret'))).mode & 0o777).toBe(0o600);
    expect((await stat(stateDir)).mode & 0o777).toBe(0o700);
    expect(await loadTokenSecret({ ...noSecret, stateDir })).toEqual(secret);
    expect(await readdir(stateDir)).toEqual(['token-secret']);
  });

  it('gives the same secret to all who start at the same moment', async () => {
    const secrets = await Promise.all(Array.from({ length: 8 }, () => loadTokenSecret({ ...noSecret, stateDir: dir })));
    for (const secret of secrets) expect(secret).toEqual(secrets[0]);
    expect(await readdir(dir)).toEqual(['token-secret']);
  });

  it('takes the configured one and touches no file', async () => {
    const tokenSecret = 'x'.repeat(32);
    const secret = await loadTokenSecret({ auth: { tokenSecret }, stateDir: join(dir, 'never') });
    expect(new TextDecoder().decode(secret)).toBe(tokenSecret);
    expect(await readdir(dir)).toEqual([]);
  });

  it('refuses a secret that others can read, and says how to mend it', async () => {
    await loadTokenSecret({ ...noSecret, stateDir: dir });
    await chmod(join(dir, 'token-secret'), 0o644);
    await expect(loadTokenSecret({ ...noSecret, stateDir: dir })).rejects.toMatchObject({
      code: 'ERR_STATE_DIR',
      message: expect.stringContaining('chmod 600'),
    });
  });

  it.each([
    ['an empty file', ''],
    ['a short one', 'c2hvcnQ'],
    ['something else', 'not a secret at all, but long enough to be one'],
  ])('refuses %s and leaves it alone', async (_name, content) => {
    const path = join(dir, 'token-secret');
    await writeFile(path, content, { mode: 0o600 });
    await expect(loadTokenSecret({ ...noSecret, stateDir: dir })).rejects.toMatchObject({ code: 'ERR_STATE_DIR' });
    expect(await readFile(path, 'utf8')).toBe(content);
  });

  it('says so when the state directory can not be made', async () => {
    await writeFile(join(dir, 'file'), '');
    await expect(loadTokenSecret({ ...noSecret, stateDir: join(dir, 'file', 'state') })).rejects.toMatchObject({
      code: 'ERR_STATE_DIR',
    });
  });
});
