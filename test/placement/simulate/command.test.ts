import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runSimulate } from '../../../src/placement/simulate/index.ts';
import type { SimulationResult } from '../../../src/placement/simulate/simulation-result.ts';

const folder = mkdtempSync(join(tmpdir(), 'simulate-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text?: string) => {
  const path = join(folder, name);
  if (text !== undefined) writeFileSync(path, text);
  return path;
};

async function run(...argv: string[]) {
  let out = '';
  let err = '';
  const streams = { out: { write: (text: string) => (out += text) }, err: { write: (text: string) => (err += text) } };
  const code = await runSimulate(argv, streams);
  return { code, out, err };
}

const WORLD = `
version: 1
nodes:
  - { nodeId: pop-syd, role: pop, region: ap-southeast-2, capacity: 1000 }
  - { nodeId: pop-iad, role: pop, region: us-east-1, capacity: 1000 }
  - { nodeId: core-syd, role: core, region: ap-southeast-2, sessions: 90, capacity: 100, agents: [desk] }
  - { nodeId: core-iad, role: core, region: us-east-1, capacity: 100, agents: [desk] }
agents:
  desk: { legs: [{ kind: llm, services: ["<thinks>"], k: 3 }] }
endpoints:
  - { kind: llm, service: "<thinks>", region: us, p50Ms: 400, p95Ms: 800, centsPerMinute: 2 }
`;

describe('antipode placement simulate', () => {
  test('prints a table and writes a report that needs no other file', async () => {
    const out = file('report.html');
    const { code, out: text } = await run('--sessions', '2000', '--lost-at', '13:30', '--out', out);
    expect(code).toBe(0);
    expect(text).toContain('2,000 sessions of a day');
    expect(text).toMatch(/Antipode +\d+ +\d+ +0 /);
    expect(text).toMatch(/from 13:30 UTC on: \d+ sessions moved/);
    const page = readFileSync(out, 'utf8');
    expect(page).not.toMatch(/<script|<link|<img|https?:|url\(/);
    expect(page).toContain('<svg');
    expect(page).toContain('What was assumed');
    for (const country of ['India', 'Brazil', 'New Zealand']) expect(page).toContain(country);
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('prints figures as JSON, for the world, the agent and the policy that it is given', async () => {
    const world = file('world.yaml', WORLD);
    const policy = file('policy.yaml', 'version: 1\ncores: { blocked: [us-east-1] }\n');
    const free = await run('--sessions', '500', '--world', world, '--lost', 'none', '--json');
    const result = JSON.parse(free.out) as SimulationResult;
    expect(result.lost).toBeNull();
    // Those of a snapshot are not the simulation's: all hundred seats of Sydney are free.
    expect(result.rules[0]!.byRegion.map(({ region, capacity }) => [region, capacity])).toEqual([
      ['ap-southeast-2', 100],
      ['us-east-1', 100],
    ]);
    expect(result.rules[0]!.byRegion[1]!.peak).toBeGreaterThan(0);
    expect(result.rules[0]!.centsPerMinute).toBe(2);
    const blocked = await run('--sessions', '500', '--world', world, '--policy', policy, '--lost', 'none', '--json');
    expect((JSON.parse(blocked.out) as SimulationResult).rules[0]!.byRegion[1]!.peak).toBe(0);
  });

  test('writes names of a world file as text', async () => {
    const world = file(
      'bad-names.yaml',
      WORLD.replaceAll('ap-southeast-2', 'us-west-2').replace('version: 1', 'version: 1'),
    );
    const out = file('<b>.html');
    const named = file('<i>.yaml', readFileSync(world, 'utf8'));
    expect((await run('--sessions', '200', '--world', named, '--out', out)).code).toBe(0);
    const page = readFileSync(out, 'utf8');
    expect(page).not.toContain('<i>.yaml');
    expect(page).toContain('&#60;i&#62;.yaml');
  });

  test.each([
    [['--sesions', '5'], 'Did you mean "--sessions"?'],
    [['--sessions', '0'], '--sessions must be a whole number from 1 to 20000000, not "0"'],
    [['--seed', 'x'], '--seed must be a whole number'],
    [['--lost', 'eu-centrl-1'], 'Did you mean "eu-central-1"?'],
    [['--lost-at', '25:00'], '--lost-at must be a time'],
    [['--lost-at', '12:99'], '--lost-at must be a time'],
    [['--agent', 'desk'], '--agent names an agent of a --world'],
  ])('refuses %j', async (argv, words) => {
    const { code, err } = await run(...argv);
    expect(code).toBe(2);
    expect(err).toContain(words);
  });

  test('refuses files that are wrong, with what is wrong', async () => {
    const policy = file('typo.yaml', 'version: 1\ncores: { blokced: [us-east-1] }\n');
    const typo = await run('--sessions', '10', '--policy', policy);
    expect(typo).toMatchObject({ code: 1, err: expect.stringContaining('blocked') });
    const world = file('world2.yaml', WORLD);
    const stranger = await run('--sessions', '10', '--world', world, '--agent', 'dusk');
    expect(stranger).toMatchObject({ code: 1, err: expect.stringContaining('Did you mean "desk"?') });
    expect(await run('--world', file('none.yaml'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('none.yaml'),
    });
    const cores = await run('--sessions', '10', '--cores', 'us-east-1,eu-wset-1');
    expect(cores).toMatchObject({ code: 1, err: expect.stringContaining('eu-west-1') });
  });
});
