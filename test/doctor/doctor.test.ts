/** What the doctor says of each finding, and how it ends. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { checkDependencies, checkNode } from '../../src/doctor/installation.ts';
import { asConfigured, checkOpenAI, checkPackage, checkSilence } from '../../src/doctor/media.ts';
import { checkPort, probePorts, probeStateDir } from '../../src/doctor/surroundings.ts';
import { type DoctorOptions, doctor, printDoctorReport } from '../../src/doctor.ts';
import { temporaryDirectory } from '../scripts/temporary-directory.ts';

function options(settings: Record<string, unknown> = {}): DoctorOptions {
  return { config: configSchema.parse(settings), root: join(import.meta.dirname, '../..'), environment: {} };
}

test('the report is ok when nothing fails, and a warning is no failure', async () => {
  const probe = (status: 'ok' | 'warn' | 'fail') => ({
    name: status,
    run: async () => [{ name: status, status, detail: '' }],
  });
  expect((await doctor(options(), [probe('ok'), probe('warn')])).ok).toBe(true);
  expect((await doctor(options(), [probe('ok'), probe('fail')])).ok).toBe(false);
});

test('a probe that breaks is a failed check with the reason, and the others still run', async () => {
  const report = await doctor(options(), [
    { name: 'page', run: () => Promise.reject(new Error('EIO\nmore')) },
    { name: 'node', run: async () => [{ name: 'node', status: 'ok', detail: 'fine' }] },
  ]);
  expect(report.ok).toBe(false);
  expect(report.checks.map(({ status }) => status)).toEqual(['fail', 'ok']);
  expect(report.checks[0]?.detail).toBe('could not be checked: EIO');
});

test('the print shows what to do, and colors on a terminal only', () => {
  const report = {
    ok: false,
    checks: [
      { name: 'node', status: 'ok' as const, detail: '24.21.0' },
      { name: 'page', status: 'fail' as const, detail: 'not built', fix: 'npm start' },
    ],
  };
  const print = (isTTY: boolean) => {
    let text = '';
    printDoctorReport(report, { isTTY, write: (part) => (text += part) });
    return text;
  };
  expect(print(false)).toBe(
    'ok   node  24.21.0\nFAIL page  not built\n           -> npm start\n1 ok, 0 to know, 1 to mend\n',
  );
  expect(print(true)).toContain('\x1b[31mFAIL\x1b[0m');
});

test('Node before 24 fails', () => {
  expect(checkNode('24.21.0', '/n').status).toBe('ok');
  expect(checkNode('22.20.0', '/n')).toMatchObject({ status: 'fail', fix: expect.stringContaining('24') });
});

test('packages that differ from the lockfile are named, the first of them', () => {
  expect(checkDependencies([]).status).toBe('ok');
  const check = checkDependencies(['a@1', 'b@1', 'c@1', 'd@1', 'e@1']);
  expect(check).toMatchObject({ status: 'fail', detail: expect.stringContaining('a@1, b@1, c@1 and 2 more') });
});

test('silence must not be heard as speech', () => {
  expect(checkSilence(0.01, 1).status).toBe('ok');
  expect(checkSilence(0.9, 1).status).toBe('fail');
  expect(checkSilence(Number.NaN, 1).status).toBe('fail');
});

test('a missing program of the distribution is a warning with the command to type', () => {
  const flite = { name: 'flite', purpose: 'the voice' };
  expect(checkPackage(flite, true, 'apt')).toMatchObject({ status: 'ok' });
  expect(checkPackage(flite, false, 'apt')).toMatchObject({ status: 'warn', fix: 'apt' });
});

test('speech programs are recognized as the configuration names them', () => {
  const { config } = options({ services: { flite: { command: '/opt/flite' }, pocketsphinx: { modelDir: '/models' } } });
  const packages = asConfigured(
    [
      { name: 'flite', purpose: '' },
      { name: 'pocketsphinx-en-us', purpose: '' },
    ],
    config,
  );
  expect(packages[0]?.programs).toEqual(['/opt/flite']);
  expect(packages[1]?.paths).toEqual(['/models']);
});

test('the OpenAI key is said to be set, and never shown', async () => {
  expect(checkOpenAI(true).detail).toContain('is set');
  expect(checkOpenAI(false)).toMatchObject({ status: 'ok', detail: expect.stringContaining('not set') });
});

test('a port that another program holds fails, and one that a running server holds does not', () => {
  const error = Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
  const finding = { name: 'http port', address: 'localhost:8080', setting: 'PORT' };
  expect(checkPort({ ...finding, error: undefined, running: false }).status).toBe('ok');
  expect(checkPort({ ...finding, error, running: true }).status).toBe('ok');
  expect(checkPort({ ...finding, error, running: false })).toMatchObject({
    status: 'fail',
    fix: expect.stringContaining('PORT'),
  });
});

test('a taken HTTP port is told apart by whether it answers /healthz', async () => {
  const healthy = createServer((request, response) => response.writeHead(request.url === '/healthz' ? 200 : 404).end());
  const mute = createTcpServer((socket) => socket.destroy());
  for (const [server, status] of [
    [healthy, 'ok'],
    [mute, 'fail'],
  ] as const) {
    server.listen(0, '127.0.0.1');
    await new Promise((done) => server.once('listening', done));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const checks = await probePorts(options({ http: { host: '127.0.0.1', port }, edge: { mediaPort: 0 } }));
    expect(checks.map((check) => check.status)).toEqual([status, 'ok']);
  }
});

test('a state directory that can be made is fine, and is not left behind', async () => {
  const directory = join(await temporaryDirectory(), 'state');
  expect((await probeStateDir(options({ stateDir: directory })))[0]?.status).toBe('ok');
  expect(existsSync(directory)).toBe(false);
});

test('a state directory that cannot be made fails with what to set', async () => {
  const file = join(await temporaryDirectory(), 'file');
  await writeFile(file, '');
  const [check] = await probeStateDir(options({ stateDir: join(file, 'state') }));
  expect(check).toMatchObject({ status: 'fail', fix: expect.stringContaining('ANTIPODE_STATE_DIR') });
});
