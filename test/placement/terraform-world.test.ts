/** Terraform's output becomes a world: what it holds, what is taken from elsewhere, what is refused and how. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readWorldDocument, worldFromTerraform } from '../../src/placement/index.ts';

const EXAMPLE = readWorldDocument(readFileSync(new URL('../../docs/world.example.yaml', import.meta.url), 'utf8'));
const POP = {
  nodeId: 'ap-southeast-2-pop-1',
  role: 'pop',
  region: 'ap-southeast-2',
  capacity: 200,
  signalingUrl: 'https://pop-1.ap-southeast-2.voice.example.com',
};
const CORE = {
  nodeId: 'us-east-1-core-1',
  role: 'core',
  region: 'us-east-1',
  capacity: 100,
  stores: { registry: 'us-east-1' },
};
const EU = { version: 1, nodes: [{ ...CORE, nodeId: 'eu-central-1-core-1', region: 'eu-central-1' }] };
const WORLDS = { world: { version: 1, nodes: [POP, CORE] }, eu: EU };
const from = (worlds: unknown, zone: string | null = null, like: typeof EXAMPLE | null = null) =>
  worldFromTerraform({ text: JSON.stringify(worlds), zone, like });

describe('the world that Terraform made', () => {
  test('holds the nodes of one zone and no others', () => {
    expect(from(WORLDS, 'world').nodes).toEqual([
      { ...POP, sessions: 0, draining: false, agents: [] },
      { ...CORE, sessions: 0, draining: false, agents: [] },
    ]);
    expect(from(WORLDS, 'eu').nodes.map(({ nodeId }) => nodeId)).toEqual(['eu-central-1-core-1']);
  });

  test('is read from all outputs of the root module too', () => {
    const outputs = {
      clusters: { sensitive: false, value: {} },
      worlds: { sensitive: false, type: ['map'], value: WORLDS },
    };
    expect(from(outputs, 'world')).toEqual(from(WORLDS, 'world'));
  });

  test('needs no zone where there is one only', () => {
    expect(from({ eu: EU })).toEqual(from(WORLDS, 'eu'));
  });

  test('has the agents, services and paths of another world, each agent on each core, and none of its nodes', () => {
    const world = from(WORLDS, 'world', EXAMPLE);
    expect(world.agents).toEqual(EXAMPLE.agents);
    expect(world.endpoints).toEqual(EXAMPLE.endpoints);
    expect(world.paths).toEqual(EXAMPLE.paths);
    expect(world.nodes.map(({ nodeId, agents }) => [nodeId, agents])).toEqual([
      ['ap-southeast-2-pop-1', []],
      ['us-east-1-core-1', ['tool-desk', 'open-desk']],
    ]);
  });

  const refusals: readonly (readonly [string, string, string | null, string])[] = [
    ['no JSON', 'Warning: no outputs', null, 'this is no JSON'],
    ['an output that was not applied', '{}', null, 'worlds is empty: has terraform apply run?'],
    ['several zones and no choice', JSON.stringify(WORLDS), null, 'there are several zones, world, eu: say which'],
    [
      'a zone that there is not',
      JSON.stringify(WORLDS),
      'wrld',
      'there is no zone "wrld"; did you mean "world"? (world, eu)',
    ],
    [
      'a field that it does not know',
      JSON.stringify({ eu: { version: 1, nodes: [{ ...CORE, price: 3 }] } }),
      null,
      'Unrecognized key: "price"',
    ],
    ['a zone without nodes', JSON.stringify({ eu: { version: 1, nodes: [] } }), null, 'eu.nodes: has no node'],
    [
      'two nodes of one name',
      JSON.stringify({ eu: { version: 1, nodes: [CORE, CORE] } }),
      null,
      'eu: two nodes are called "us-east-1-core-1"',
    ],
    [
      'a version of another day',
      JSON.stringify({ eu: { version: 2, nodes: [CORE] } }),
      null,
      'eu.version: Invalid input: expected 1',
    ],
  ];
  test.each(refusals)('refuses %s, and says why', (_what, text, zone, words) => {
    expect(() => worldFromTerraform({ text, zone, like: null })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining(words) }),
    );
  });
});
