import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { policyJsonSchema, readWorldDocument } from '../src/placement/index.ts';
import { placementMain } from '../src/placement-command.ts';

const WORLD = new URL('../docs/world.example.yaml', import.meta.url).pathname;
const SYDNEY = '129.94.242.2';
const folder = mkdtempSync(join(tmpdir(), 'antipode-placement-'));
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
const explain = (...argv: string[]) => placement('explain', '--world', WORLD, ...argv);
function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

describe('antipode placement explain', () => {
  test('sends a caller in Sydney to the US side when the models are there only and each turn asks four times', async () => {
    const { code, out } = await explain('--ip', SYDNEY, '--agent', 'tool-desk', '--json');
    expect(code).toBe(0);
    const { decision, refused, candidates, sources } = JSON.parse(out);
    expect(decision).toMatchObject({ pop: 'ap-southeast-2', core: 'us-east-1' });
    expect(decision.endpoints).toEqual({
      stt: { id: 'deepgram@us', region: 'us-east-1' },
      llm: { id: 'openai@us', region: 'us-east-1' },
      tts: { id: 'cartesia@us', region: 'us-east-1' },
    });
    expect(refused).toBeNull();
    expect(candidates).toHaveLength(9);
    const atHome = candidates.find(
      (each: { pop: string; core: string }) => `${each.pop} ${each.core}` === 'ap-southeast-2 ap-southeast-2',
    );
    // Six trips over the Pacific instead of one.
    expect(atHome.predictedMs.p50 - decision.predictedMs.p50).toBeGreaterThan(4 * 190);
    expect(atHome.parts.llm).toBeGreaterThan(4 * (546 + 190));
    expect(sources).toMatchObject({ callerPop: 'distance', popCore: 'measured', 'llm path': 'matrix' });
  });

  test('keeps him in Sydney when open weights stand there', async () => {
    const { code, out } = await explain('--at', '-33.87,151.21', '--agent', 'open-desk', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out).decision).toMatchObject({
      pop: 'ap-southeast-2',
      core: 'ap-southeast-2',
      endpoints: { llm: { id: 'llama@ap-southeast-2', region: 'ap-southeast-2' } },
    });
  });

  test('refuses a pin without an endpoint within it, names the legs, and ends with 3', async () => {
    const { code, out } = await explain('--ip', SYDNEY, '--agent', 'tool-desk', '--pin', 'eu', '--json');
    expect(code).toBe(3);
    const { decision, refused, candidates } = JSON.parse(out);
    expect(decision).toBeNull();
    expect(refused.code).toBe('ERR_PLACEMENT_RESIDENCY');
    const inFrankfurt = refused.reasons.find((reason: string) => reason.startsWith('no endpoint'));
    for (const leg of ['stt', 'llm', 'tts']) {
      expect(inFrankfurt).toContain(`no endpoint for ${leg} is promised to keep data within "eu" (request)`);
    }
    expect(candidates.every((each: { excluded: unknown }) => each.excluded !== null)).toBe(true);
  });

  test('has the fields of its JSON and no others', async () => {
    const { out } = await explain('--ip', SYDNEY, '--agent', 'tool-desk', '--json');
    const explanation = JSON.parse(out);
    expect(Object.keys(explanation)).toEqual(['decision', 'refused', 'candidates', 'sources']);
    expect(Object.keys(explanation.decision)).toEqual(['pop', 'core', 'endpoints', 'predictedMs']);
    expect(Object.keys(explanation.candidates[0])).toEqual(['pop', 'core', 'predictedMs', 'parts', 'excluded']);
  });

  test('prints for people the choice, why, and a table of every place', async () => {
    const { out } = await explain('--ip', SYDNEY, '--agent', 'tool-desk');
    expect(out).toContain('Caller   129.94.242.2, in Kensington, AU by geoip-lite');
    expect(out).toContain('Chosen   POP ap-southeast-2, core us-east-1');
    expect(out).toMatch(
      /core-iad in us-east-1 is predicted to answer soonest, \d+ ms from voice to voice: in eu-central-1 it would take \d+ ms more \(/,
    );
    const table = out.slice(out.indexOf('\nPOP')).trim().split('\n');
    expect(table).toHaveLength(10);
    expect(table[0]!.split(/\s{2,}/)).toEqual([
      'POP',
      'CORE',
      'P50',
      'P95',
      'callerPop',
      'popCore',
      'stt',
      'llm',
      'tts',
      'endpointing',
      'WHY NOT',
    ]);
  });

  test('takes the POP that the caller has come in by', async () => {
    const { out } = await explain('--ip', SYDNEY, '--agent', 'tool-desk', '--pop', 'eu-central-1', '--json');
    expect(JSON.parse(out).decision.pop).toBe('eu-central-1');
    const wrong = await explain('--ip', SYDNEY, '--agent', 'tool-desk', '--pop', 'mars-1');
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('no POP is in "mars-1"') });
  });

  test('goes by a policy file: its pins by country, its blocked regions', async () => {
    const policy = file(
      'policy.yaml',
      'version: 1\ncores: { blocked: [us-east-1] }\nresidency: { byCountry: { DE: us } }\n',
    );
    const argv = ['--agent', 'tool-desk', '--policy', policy, '--json'];
    expect(JSON.parse((await explain('--ip', SYDNEY, ...argv)).out).decision.core).toBe('eu-central-1');
    const german = await explain('--at', '52.5,13.4', '--country', 'DE', ...argv);
    expect(german.code).toBe(3);
    expect(JSON.parse(german.out).refused.reasons.join()).toContain('outside the pin "us" (policy for DE)');
  });

  test.each([
    ['127.0.0.1', 'loopback'],
    ['10.1.2.3', 'private'],
    ['fe80::1', 'private'],
    ['203.0.113.9', 'reserved'],
  ])('says of %s that it is %s, and takes no POP for nearer than another', async (ip, kind) => {
    const { code, out } = await explain('--ip', ip, '--agent', 'tool-desk');
    expect(code).toBe(0);
    expect(out).toContain(`${ip}, which is ${kind}: nowhere on a map`);
    expect(out).toContain('callerPop assumed');
  });

  test('knows IPv6 addresses', async () => {
    const { out } = await explain('--ip', '2001:388::1', '--agent', 'tool-desk');
    expect(out).toContain('2001:388::1, in AU by geoip-lite');
  });

  test('refuses an agent that the world has not, with 3', async () => {
    const { code, out } = await explain('--ip', SYDNEY, '--agent', 'nobody', '--json');
    expect(code).toBe(3);
    expect(JSON.parse(out).refused.code).toBe('ERR_AGENT_UNKNOWN');
  });

  test('refuses everybody in an empty world', async () => {
    const world = file('empty.yaml', 'version: 1\nnodes: []\n');
    const { code, out } = await placement('explain', '--world', world, '--ip', SYDNEY, '--agent', 'x');
    expect(code).toBe(3);
    expect(out).toContain('No core is alive.');
    expect(out).toContain('There is no pair of a POP and a core to look at.');
  });

  test('takes the addresses of the catalogue for a world that names none', async () => {
    const nodes = readFileSync(WORLD, 'utf8').split('\nagents:')[0]!.replaceAll(', open-desk', '');
    const legs = '[{ kind: stt, services: [pocketsphinx], k: 1 }, { kind: llm, services: [openai], k: 4 }]';
    const world = file('bare.yaml', `${nodes}\nagents: { tool-desk: { legs: ${legs} } }\n`);
    const at = async (...argv: string[]) => {
      const { out } = await placement(
        'explain',
        '--world',
        world,
        '--ip',
        SYDNEY,
        '--agent',
        'tool-desk',
        '--json',
        ...argv,
      );
      return JSON.parse(out).decision;
    };
    expect(await at()).toMatchObject({
      core: 'ap-southeast-2',
      endpoints: { stt: { id: 'pocketsphinx@local' }, llm: { id: 'openai@au', region: 'ap-southeast-2' } },
    });
    expect(await at('--pin', 'eu')).toMatchObject({ core: 'eu-central-1', endpoints: { llm: { id: 'openai@eu' } } });
  });

  test('asks a running server for its world', async () => {
    const document = readWorldDocument(readFileSync(WORLD, 'utf8'));
    let asked = '';
    const server = createServer((request, response) => {
      asked = `${request.url} ${request.headers.authorization}`;
      response.end(JSON.stringify(document));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { code, out } = await placement(
      'explain',
      '--url',
      url,
      '--key',
      'k',
      '--ip',
      SYDNEY,
      '--agent',
      'tool-desk',
      '--json',
    );
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(asked).toBe('/v1/world Bearer k');
    expect(code).toBe(0);
    expect(JSON.parse(out).decision.core).toBe('us-east-1');
    const gone = await placement('explain', '--url', url, '--ip', SYDNEY, '--agent', 'tool-desk');
    expect(gone).toMatchObject({ code: 1, err: expect.stringContaining(`No server answers at ${url}`) });
  });

  test('tells of regions that nobody knows', async () => {
    const world = file(
      'mars.yaml',
      'version: 1\nnodes:\n  - { nodeId: p, role: pop, region: mars-1, capacity: 1 }\n' +
        '  - { nodeId: c, role: core, region: mars-1, capacity: 1, agents: [echo] }\nagents: { echo: {} }\n',
    );
    const { code, err } = await placement('explain', '--world', world, '--ip', SYDNEY, '--agent', 'echo');
    expect(code).toBe(0);
    expect(err).toContain('Nobody knows where mars-1 is');
  });
});

describe('wrong arguments end with 2 and the help', () => {
  test.each([
    [[], 'A command is missing.'],
    [['explian'], 'There is no command "explian". Did you mean "explain"?'],
    [['explain', '--ip', SYDNEY], '--agent is missing.'],
    [['explain', '--agent', 'a'], 'One of --ip and --at is needed.'],
    [['explain', '--agent', 'a', '--ip', SYDNEY, '--at', '1,2'], 'One of --ip and --at is needed.'],
    [['explain', '--agent', 'a', '--ip', 'sydney'], '--ip must be an IP address'],
    [['explain', '--agent', 'a', '--at', '91,0'], '--at must be a latitude'],
    [['explain', '--agent', 'a', '--at', '1'], '--at must be a latitude'],
    [['explain', '--agent', 'a', '--at', '1,2,3'], '--at must be a latitude'],
    [['explain', '--agent', 'a', '--at', '1,2', '--country', 'Germany'], '--country must be two'],
    [['explain', '--agent', 'a', '--at', '1,2', '--wrold', 'x'], "Unknown option '--wrold'"],
    [['explain', '--agent', 'a', '--at', '1,2', '--world', '/nowhere.yaml'], 'Cannot read /nowhere.yaml'],
    [['explain', '--agent', 'a', '--at', '1,2', '--pin', 'e u'], 'A pin is up to 32 places'],
    [['validate'], 'validate takes one file.'],
  ])('%j', async (argv, words) => {
    const { code, out, err } = await placement(...argv);
    expect(code).toBe(2);
    expect(err).toContain(words);
    expect(out).toBe('');
  });
});

describe('antipode placement validate', () => {
  test('says that a good file is fine', async () => {
    const path = new URL('../placement.example.yaml', import.meta.url).pathname;
    expect(await placement('validate', path)).toEqual({ code: 0, out: `${path} is a valid policy.\n`, err: '' });
  });

  test('tells everything that is wrong, one line each, and ends with 1', async () => {
    const path = file('bad.yaml', 'version: 1\ncores: { blocked: [eu-wset-1] }\nendpoints: { blocked: [grok] }\n');
    const { code, err } = await placement('validate', path);
    expect(code).toBe(1);
    expect(err.trim().split('\n')).toEqual([
      `${path}: cores.blocked.0: nobody knows the region "eu-wset-1"; declare it under "regions" if it is yours; did you mean "eu-west-1"?`,
      `${path}: endpoints.blocked.0: no service is called "grok"; did you mean "groq"?`,
    ]);
  });
});

test('antipode placement schema prints the JSON Schema', async () => {
  const { code, out } = await placement('schema');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual(policyJsonSchema());
});
