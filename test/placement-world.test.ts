/** `antipode placement world`: what it prints can be read and explained; what it is not given, it says. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, describe, expect, test } from 'vitest';
import { readWorldDocument } from '../src/placement/index.ts';
import { placementMain } from '../src/placement-command.ts';
import { printWorld } from '../src/placement-world.ts';

const LIKE = new URL('../docs/world.example.yaml', import.meta.url).pathname;
const WORLDS = {
  world: {
    version: 1,
    nodes: [
      { nodeId: 'ap-southeast-2-pop-1', role: 'pop', region: 'ap-southeast-2', capacity: 200 },
      { nodeId: 'ap-southeast-2-core-1', role: 'core', region: 'ap-southeast-2', capacity: 100 },
      { nodeId: 'us-east-1-core-1', role: 'core', region: 'us-east-1', capacity: 100 },
    ],
  },
};
const folder = mkdtempSync(join(tmpdir(), 'antipode-world-'));
afterAll(() => rmSync(folder, { recursive: true }));

function streams(input = '') {
  const told = { out: '', err: '' };
  const write = (to: 'out' | 'err') => ({ write: (text: string) => (told[to] += text) });
  return { told, streams: { out: write('out'), err: write('err'), in: Readable.from([Buffer.from(input)]) } };
}

describe('antipode placement world', () => {
  test('reads what Terraform prints and writes a world that explain decides by', async () => {
    const { told, streams: to } = streams(JSON.stringify(WORLDS));
    await printWorld(['--like', LIKE], to);
    expect(told.err).toBe('');
    expect(readWorldDocument(told.out).nodes.map(({ nodeId }) => nodeId)).toEqual(
      WORLDS.world.nodes.map(({ nodeId }) => nodeId),
    );

    const world = join(folder, 'world.yaml');
    writeFileSync(world, told.out);
    const explained = streams();
    const argv = ['explain', '--world', world, '--at', '-33.87,151.21', '--agent', 'tool-desk', '--json'];
    expect(await placementMain(argv, explained.streams)).toBe(0);
    expect(JSON.parse(explained.told.out).decision).toMatchObject({ pop: 'ap-southeast-2', core: 'us-east-1' });
  });

  test('says that no agents are in it when nobody said which, and of a region that nobody knows', async () => {
    const strange = { world: { version: 1, nodes: [{ ...WORLDS.world.nodes[0], region: 'xx-north-1' }] } };
    const { told, streams: to } = streams(JSON.stringify(strange));
    await printWorld(['--json'], to);
    expect(JSON.parse(told.out).nodes).toMatchObject([{ nodeId: 'ap-southeast-2-pop-1', region: 'xx-north-1' }]);
    expect(told.err).toBe(
      'No agents are in it, as nobody said which: --like WORLD takes those of a world file.\n' +
        'Nobody knows where xx-north-1 is: declare it under "regions" of the policy.\n',
    );
  });

  test('exits 1 for an output that is refused, and 2 for arguments that it does not have', async () => {
    const file = join(folder, 'outputs.json');
    writeFileSync(file, JSON.stringify({ ...WORLDS, eu: WORLDS.world }));
    const refused = streams();
    expect(await placementMain(['world', '--terraform', file], refused.streams)).toBe(1);
    expect(refused.told.err).toBe(
      "ERR_CONFIG_INVALID: Terraform's output is refused:\n  there are several zones, world, eu: say which\n",
    );
    const wrong = streams();
    expect(await placementMain(['world', '--zoen', 'eu'], wrong.streams)).toBe(2);
    const missing = streams();
    expect(await placementMain(['world', '--terraform', join(folder, 'none.json')], missing.streams)).toBe(2);
    expect(missing.told.err).toContain('Cannot read');
  });
});
