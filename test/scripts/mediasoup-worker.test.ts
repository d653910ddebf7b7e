/** Where the worker comes from, with shell scripts in the worker's place and a server in GitHub's. */
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../scripts/setup/command.mjs';
import { ensureWorker, findWorker, workerEntry, workerOrigin } from '../../scripts/setup/mediasoup-worker.mjs';
import type { Machine } from '../../scripts/setup/system-packages.mjs';
import { downloadPrebuilt, prebuiltName } from '../../scripts/setup/worker-prebuilt.mjs';
import { temporaryDirectory } from './temporary-directory.ts';

const RUNS = '#!/bin/sh\nexit 41\n';
const BROKEN = '#!/bin/sh\nexit 1\n';

/** A machine that can unpack archives and has no compiler and no apt-get. */
const BARE_MACHINE: Machine = {
  env: {},
  isRoot: () => false,
  findProgram: () => undefined,
  exists: () => false,
  run: async (program, args, options) => (program === 'tar' ? run(program, args, options) : { status: 1, output: '' }),
};

async function script(content: string): Promise<string> {
  const path = join(await temporaryDirectory(), 'mediasoup-worker');
  await writeFile(path, content, { mode: 0o755 });
  return path;
}

async function archive(content: string): Promise<Buffer> {
  const directory = dirname(await script(content));
  spawnSync('tar', ['-czf', 'worker.tgz', 'mediasoup-worker'], { cwd: directory });
  return readFile(join(directory, 'worker.tgz'));
}

async function releases(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function environment(more: Record<string, string> = {}): Promise<NodeJS.ProcessEnv> {
  return { PATH: process.env.PATH, ANTIPODE_CACHE_DIR: await temporaryDirectory(), ...more };
}

test('the prebuilt worker has the name that mediasoup gives it', () => {
  const linux = { platform: 'linux', arch: 'x64', release: '6.1.0-22-amd64' };
  expect(prebuiltName('3.27.1', linux)).toBe('mediasoup-worker-3.27.1-linux-x64-kernel6.tgz');
  const mac = { platform: 'darwin', arch: 'arm64', release: '24.0.0' };
  expect(prebuiltName('3.27.1', mac)).toBe('mediasoup-worker-3.27.1-darwin-arm64.tgz');
});

test('a worker that was given wins when it runs', async () => {
  const path = await script(RUNS);
  const env = await environment({ MEDIASOUP_WORKER_BIN: path });
  expect(await ensureWorker({ env, machine: BARE_MACHINE })).toEqual({ path, origin: 'given', fresh: false });
  expect(await findWorker({ env })).toBe(path);
});

test('a worker that was given and does not run is an error, not a reason to take another', async () => {
  const env = await environment({ MEDIASOUP_WORKER_BIN: await script(BROKEN) });
  await expect(ensureWorker({ env, machine: BARE_MACHINE })).rejects.toMatchObject({ code: 'ERR_SETUP_WORKER_GIVEN' });
});

test('a prebuilt worker is downloaded once and found afterwards', async () => {
  const body = await archive(RUNS);
  const asked: string[] = [];
  const base = await releases((request, response) => {
    asked.push(request.url ?? '');
    response.end(body);
  });
  const env = await environment({ MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL: base });
  expect(await findWorker({ env })).toBeUndefined();

  const first = await ensureWorker({ env, machine: BARE_MACHINE });
  expect(first).toMatchObject({ origin: 'prebuilt', fresh: true });
  expect(await ensureWorker({ env, machine: BARE_MACHINE })).toEqual({ ...first, fresh: false });
  expect(asked).toHaveLength(1);
  expect(await findWorker({ env })).toBe(first.path);
  expect(workerOrigin(first.path)).toBe('prebuilt');
});

test('a prebuilt worker that does not run here gives way to a build, and without a compiler the command is told', async () => {
  const body = await archive(BROKEN);
  const base = await releases((_request, response) => response.end(body));
  const env = await environment({ MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL: base });
  const notes: string[] = [];
  const getting = ensureWorker({ env, machine: BARE_MACHINE, onNote: (note) => notes.push(note) });
  await expect(getting).rejects.toMatchObject({ code: 'ERR_SETUP_PACKAGES', remedy: expect.stringContaining('meson') });
  expect(notes).toEqual([expect.stringContaining('does not run on this machine')]);
  expect(await readdir(dirname(await workerEntry({ env })))).toEqual([]);
});

test('a cached worker that no longer runs is replaced', async () => {
  const body = await archive(RUNS);
  const base = await releases((_request, response) => response.end(body));
  const env = await environment({ MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL: base });
  const entry = await workerEntry({ env });
  await mkdir(entry, { recursive: true });
  await writeFile(join(entry, 'mediasoup-worker'), BROKEN, { mode: 0o755 });
  expect(await ensureWorker({ env, machine: BARE_MACHINE })).toMatchObject({ origin: 'prebuilt', fresh: true });
});

test('why there is no prebuilt worker is said: refused, missing, silent server, unwanted', async () => {
  const directory = await temporaryDirectory();
  const download = (env: NodeJS.ProcessEnv, more = {}) => downloadPrebuilt(directory, '3.27.1', { env, ...more });
  const from = (base: string) => ({ MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL: base });

  expect(await download({ ANTIPODE_WORKER_PREBUILT: 'never' })).toBe('ANTIPODE_WORKER_PREBUILT=never');
  expect(await download(from('http://127.0.0.1:1'))).toBeTypeOf('string');
  const missing = await releases((_request, response) => response.writeHead(404).end());
  expect(await download(from(missing))).toBe('the server answered 404');
  const silent = await releases(() => {});
  expect(await download(from(silent), { connectTimeoutMs: 20 })).toBe('no answer in time');
  const stalling = await releases((_request, response) => response.write('a few bytes'));
  expect(await download(from(stalling), { downloadTimeoutMs: 50 })).toBe('no answer in time');
  const nonsense = await releases((_request, response) => response.end('not an archive'));
  expect(await download(from(nonsense))).toBe('the archive could not be unpacked');
});
