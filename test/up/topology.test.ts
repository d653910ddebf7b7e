/** A topology's file: what it may say, what is refused, and what processes it is made of. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { configSchema } from '../../src/config/index.ts';
import { readPolicy } from '../../src/placement/index.ts';
import { nodeSettings, partsOf } from '../../src/up/parts.ts';
import { parseTopology, readTopology, type Topology, topologyJsonSchema } from '../../src/up/topology.ts';
import { waysOf } from '../../src/up/wide-area.ts';

const FOLDER = join(import.meta.dirname, '../../infra/topologies');
const AUSTRALIA = join(FOLDER, 'australia.yaml');

const SMALL = {
  version: 1,
  redis: { port: 6390, region: 'us-east-1' },
  pops: { 'pop-syd': { region: 'ap-southeast-2', port: 8201, mediaPort: 44501 } },
  cores: { 'core-iad': { region: 'us-east-1', port: 8101 } },
};

function topology(change: object = {}): Topology {
  return parseTopology(stringify({ ...SMALL, ...change }), 'small.yaml');
}

function settingsOf(of: Topology, id: string, listen = 'localhost') {
  const node = partsOf(of).nodes.find((each) => each.id === id)!;
  const where = { stateDir: '/state', agentsDir: '/agents', policyFile: '/policy.yaml' };
  return configSchema.parse(nodeSettings({ topology: of, node, ...where, apiKey: 'a-key-of-16-letters', listen }));
}

describe('the file', () => {
  test('has the committed JSON Schema; `antipode up --schema` brings it up to date', () => {
    const committed = readFileSync(join(FOLDER, 'topology.schema.json'), 'utf8');
    expect(JSON.parse(committed)).toEqual(JSON.parse(JSON.stringify(topologyJsonSchema())));
  });

  test('of Australia is right, with its policy: eight processes, a stand-in, and where that stands', () => {
    const { topology: read, policyFile } = readTopology(AUSTRALIA);
    const { nodes } = partsOf(read);
    expect(nodes.map(({ id, role, region, port }) => `${id} ${role} ${region} ${port}`)).toEqual([
      'pop-syd edge ap-southeast-2 8201',
      'pop-iad edge us-east-1 8202',
      'pop-fra edge eu-central-1 8203',
      'core-syd core ap-southeast-2 8101',
      'core-iad core us-east-1 8102',
      'core-fra core eu-central-1 8103',
      'placement placement us-east-1 8082',
    ]);
    const { places } = readPolicy(readFileSync(policyFile!, 'utf8')).endpoints;
    expect(places['openai@own']).toBe(read.standIn!.region);
    for (const { id } of nodes) settingsOf(read, id);
    expect(readFileSync(AUSTRALIA, 'utf8').split('\n', 1)[0]).toBe(
      '# yaml-language-server: $schema=./topology.schema.json',
    );
  });

  test('is refused with every wrong place', () => {
    const refused = (change: object) => {
      try {
        return topology(change);
      } catch (error) {
        return (error as Error).message;
      }
    };
    const pop = SMALL.pops['pop-syd'];
    expect(refused({ nodes: 1 })).toContain('(file): Unrecognized key: "nodes"');
    expect(refused({ pops: {}, cores: {} })).toMatch(
      /pops: must name one at least[\s\S]*cores: must name one at least/,
    );
    expect(refused({ cores: { wan: SMALL.cores['core-iad'] } })).toContain('cores.wan');
    expect(refused({ pops: { 'pop-syd': { ...pop, mediaPort: 8201 } } })).toContain(
      'pops.pop-syd.mediaPort: 8201 is pops.pop-syd.port too',
    );
    expect(refused({ cores: { 'pop-syd': SMALL.cores['core-iad'] } })).toContain(
      'cores.pop-syd: a POP is called so too',
    );
  });
});

describe('a node', () => {
  test('is reached at an address of its own, by which the ways to it are told apart', () => {
    const of = topology();
    const { backbone, registry, node } = settingsOf(of, 'pop-syd');
    expect(node).toEqual({ id: 'pop-syd', region: 'ap-southeast-2' });
    expect(backbone).toMatchObject({ listenIp: '127.40.1.1', dialFrom: '127.40.1.1', announcedAddress: '127.40.2.1' });
    expect(registry.url).toBe('redis://127.40.2.1:6390');
    const core = settingsOf(of, 'core-iad');
    expect(core.core).toMatchObject({ controlHost: '127.40.1.2', controlPort: 7443, agentsDir: '/agents' });
    expect(core.backbone.announcedAddress).toBe('127.40.2.2');
  });

  test('uses the stand-in by its own way there, and the programs of cores where there is none', () => {
    expect(settingsOf(topology(), 'core-iad').services.llm).toEqual([]);
    const { services } = settingsOf(topology({ standIn: { port: 8300, region: 'us-east-1' } }), 'core-iad');
    expect(services.openai.baseUrl).toBe('http://127.40.2.2:8300/v1');
    expect([services.stt, services.llm, services.tts].map(([first]) => first?.service)).toEqual([
      'openai-transcriptions',
      'openai',
      'flite',
    ]);
  });

  test('has the settings of the file over its own, and its doors where they are to be', () => {
    const of = topology({ config: { limits: { maxSessions: 7 }, auth: { openAgents: ['echo'] } } });
    const { limits, auth, http, edge } = settingsOf(of, 'pop-syd', '0.0.0.0');
    expect([limits.maxSessions, auth.openAgents, auth.apiKeys[0]?.key]).toEqual([7, ['echo'], 'a-key-of-16-letters']);
    expect(http).toMatchObject({ host: '0.0.0.0', publicUrl: 'http://localhost:8201' });
    expect(edge).toMatchObject({ listenIp: '0.0.0.0', announcedAddress: '127.0.0.1', mediaPort: 44501 });
    expect(settingsOf(of, 'core-iad', '0.0.0.0').http.host).toBe('localhost');
  });
});

test('ways are half of the round trip that placement knows, unless the file says otherwise', () => {
  const way = waysOf(topology({ paths: [{ from: 'us-east-1', to: 'ap-southeast-2', rttMs: 300, loss: 0.01 }] }));
  expect(way('ap-southeast-2', 'us-east-1')).toEqual({ delayMs: 150, jitterMs: 0, loss: 0.01 });
  const shipped = waysOf(topology())('ap-southeast-2', 'us-east-1');
  expect(shipped.delayMs).toBeGreaterThan(90);
  expect(shipped.delayMs).toBeLessThan(110);
});
