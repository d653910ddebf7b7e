import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readWorldDocument } from '../src/placement/index.ts';
import { placementMain } from '../src/placement-command.ts';
import { figuresOf, probePops } from '../src/placement-probe.ts';
import { API_KEY, startPop } from './signaling/support/pop.ts';
import { coreRecord, popRecord } from './support/nodes.ts';

const folder = mkdtempSync(join(tmpdir(), 'antipode-probe-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function placement(...argv: string[]) {
  let out = '';
  let err = '';
  const code = await placementMain(argv, {
    out: { write: (text: string) => (out += text) },
    err: { write: (text: string) => (err += text) },
  });
  return { code, out, err };
}

/** Nothing listens there. */
const GONE = 'http://127.0.0.1:1';

/** A POP in Sydney that knows of one in Virginia and of one that is gone. */
async function deployment() {
  const iad = await startPop({ region: 'us-east-1' });
  const syd = await startPop({
    region: 'ap-southeast-2',
    nodes: [
      coreRecord(),
      popRecord({ nodeId: 'pop-iad', region: 'us-east-1', signalingUrl: iad.server.url }),
      popRecord({ nodeId: 'pop-gone', region: 'eu-west-1', signalingUrl: GONE }),
    ],
  });
  return syd;
}

describe('antipode placement probe', () => {
  test('measures each POP of a server, and says what placement takes it for', async () => {
    const syd = await deployment();
    const { code, out } = await placement('probe', '--server', syd.server.url, '--at', '-33.87,151.21', '--json');
    expect(code).toBe(0);
    const { count, pops } = JSON.parse(out);
    expect(count).toBe(5);
    const byId = new Map<string, Record<string, number | string | null>>(
      pops.map((each: { pop: string }) => [each.pop, each]),
    );
    expect([...byId.keys()].slice(0, 2).toSorted()).toEqual(['pop-1', 'pop-iad']);
    for (const id of ['pop-1', 'pop-iad']) {
      const { minMs, medianMs, jitterMs, failure } = byId.get(id)!;
      expect(minMs).toBeGreaterThan(0);
      expect(medianMs).toBeGreaterThanOrEqual(minMs as number);
      expect(jitterMs).toBeGreaterThanOrEqual(0);
      expect(failure).toBeNull();
    }
    expect(byId.get('pop-1')!.expectedMs).toBeCloseTo(18, 0);
    expect(byId.get('pop-iad')!.expectedMs).toBeGreaterThan(250);
    const gone = byId.get('pop-gone')!;
    expect([gone.minMs, gone.medianMs, gone.jitterMs]).toEqual([null, null, null]);
    expect(gone.failure).toContain('ECONNREFUSED');
  });

  test('prints a table for people', async () => {
    const syd = await deployment();
    const { code, out, err } = await placement('probe', '--server', syd.server.url, '--count', '2');
    expect([code, err]).toEqual([0, '']);
    const lines = out.split('\n');
    expect(lines[0]).toMatch(/^POP +REGION +MIN +MEDIAN +JITTER +PRIOR$/);
    expect(out).toMatch(/^pop-iad +us-east-1 +\d+\.\d +\d+\.\d +\d+\.\d +-$/m);
    expect(lines[3]).toMatch(/^pop-gone +eu-west-1 +- +- +- +- +.*ECONNREFUSED/);
  });

  test('asks for those within a pin; with a key for all', async () => {
    const syd = await deployment();
    const within = await placement('probe', '--server', syd.server.url, '--pin', 'us', '--count', '1', '--json');
    expect(JSON.parse(within.out).pops.map((each: { pop: string }) => each.pop)).toEqual(['pop-iad']);
    const none = await placement('probe', '--server', syd.server.url, '--pin', 'ca');
    expect(none.code).toBe(1);
    expect(none.err).toContain('knows no POP that takes sessions there');
    const keyed = await placement('probe', '--server', syd.server.url, '--key', API_KEY, '--count', '1', '--json');
    expect(JSON.parse(keyed.out).pops).toHaveLength(3);
    const wrong = await placement('probe', '--server', syd.server.url, '--key', 'who-is-this');
    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain('answers 401');
  });

  test('measures the POPs of a world, which a server tells with their URLs', async () => {
    const syd = await deployment();
    const { body } = await syd.rest('GET', '/v1/world', { headers: { authorization: `Bearer ${API_KEY}` } });
    const text = JSON.stringify(body);
    expect(readWorldDocument(text).nodes.filter(({ signalingUrl }) => signalingUrl !== undefined)).toHaveLength(2);
    const file = join(folder, 'world.json');
    writeFileSync(file, text);
    const { code, out } = await placement('probe', '--world', file, '--at', '-33.87,151.21', '--count', '1', '--json');
    expect(code).toBe(0);
    const { pops } = JSON.parse(out);
    expect(pops.map((each: { pop: string }) => each.pop)).toEqual(['pop-iad', 'pop-gone']);
    expect(pops[0]).toMatchObject({ jitterMs: null, failure: null });
    expect(pops[0].expectedMs).toBeGreaterThan(250);
  });

  test('ends with 1 and says why when no POP answers, or nobody', async () => {
    const pop = popRecord({ nodeId: 'pop-gone', region: 'eu-west-1', signalingUrl: GONE });
    const nodes = [pop].map(({ nodeId, role, region, signalingUrl }) => ({
      nodeId,
      role,
      region,
      signalingUrl,
      capacity: 1,
    }));
    const file = join(folder, 'gone.json');
    writeFileSync(file, JSON.stringify({ version: 1, nodes }));
    const { code, out, err } = await placement('probe', '--world', file);
    expect(code).toBe(1);
    expect(out).toContain('pop-gone');
    expect(err).toMatch(/^ERR_SERVICE_UNAVAILABLE: No POP answered. pop-gone: .*ECONNREFUSED/);
    const nobody = await placement('probe', '--server', GONE);
    expect(nobody.code).toBe(1);
    expect(nobody.err).toContain('No server answers at http://127.0.0.1:1. Start one, name it by --server');
    const world = join(folder, 'silent.json');
    writeFileSync(
      world,
      JSON.stringify({ version: 1, nodes: [{ nodeId: 'p', role: 'pop', region: 'x', capacity: 1 }] }),
    );
    const silent = await placement('probe', '--world', world);
    expect([silent.code, silent.err]).toEqual([1, expect.stringContaining('has a "signalingUrl" to ask')]);
  });

  test('takes nothing for a POP that does not answer as one', async () => {
    const page = createServer((_request, response) => response.end('welcome'));
    await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
    const signalingUrl = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
    const file = join(folder, 'page.json');
    writeFileSync(
      file,
      JSON.stringify({ version: 1, nodes: [{ nodeId: 'p', role: 'pop', region: 'x', capacity: 1, signalingUrl }] }),
    );
    const { code, err } = await placement('probe', '--world', file);
    page.close();
    expect([code, err]).toEqual([1, expect.stringContaining("p: it answers 200, which is no probe's answer")]);
    const list = await placement('probe', '--server', signalingUrl);
    expect(list.code).toBe(1);
  });

  test('tells how far it is once that takes longer', async () => {
    const told = Promise.withResolvers<void>();
    const slow = createServer((_request, response) => {
      void told.promise.then(() => response.writeHead(204).end());
    });
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
    const signalingUrl = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`;
    const nodes = [
      { nodeId: 'pop-slow', role: 'pop', region: 'x', capacity: 1, signalingUrl },
      { nodeId: 'pop-gone', role: 'pop', region: 'x', capacity: 1, signalingUrl: GONE },
    ];
    const file = join(folder, 'slow.json');
    writeFileSync(file, JSON.stringify({ version: 1, nodes }));
    let err = '';
    const streams = {
      out: { write: () => undefined },
      err: {
        write: (text: string) => {
          err += text;
          if (err.includes('1 of 2')) told.resolve();
        },
      },
    };
    await probePops(['--world', file, '--count', '1'], streams, { progressAfterMs: 0 });
    slow.close();
    expect(err).toContain('1 of 2 POPs are measured; waiting for pop-slow');
  });

  test.each([
    [['--count', '0'], '--count must be 1 to 100'],
    [['--count', 'five'], '--count must be 1 to 100'],
    [['--server', 'localhost'], '--server must be the URL'],
    [['--server', GONE, '--world', 'x'], 'Give one of --server and --world'],
    [['--world', 'x', '--pin', 'eu'], '--pin needs a server'],
    [['--at', '91,0'], '--at must be'],
    [['--world', '/nowhere'], 'Cannot read /nowhere'],
    [['--colour'], "Unknown option '--colour'"],
  ])('refuses %s with 2', async (argv, words) => {
    const { code, err } = await placement('probe', ...argv);
    expect([code, err]).toEqual([2, expect.stringContaining(words)]);
    expect(err).toContain('probe             measure how far');
  });
});

test('figures are the least, the middle and the mean step', () => {
  expect(figuresOf([])).toEqual({ minMs: null, medianMs: null, jitterMs: null });
  expect(figuresOf([7])).toEqual({ minMs: 7, medianMs: 7, jitterMs: null });
  expect(figuresOf([10, 30, 20, 24])).toEqual({ minMs: 10, medianMs: 22, jitterMs: 11.3 });
});
