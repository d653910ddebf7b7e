/** `antipode placement world`: the world file that Terraform's output makes. Owns its arguments and what is printed. */
import { stringify } from 'yaml';
import {
  DEFAULT_POLICY,
  readWorldDocument,
  type WorldDocument,
  worldFromTerraform,
  worldOf,
} from './placement/index.ts';
import { parse, textOf } from './placement-arguments.ts';

const OPTIONS = {
  terraform: { type: 'string' },
  zone: { type: 'string' },
  like: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export interface WorldStreams {
  readonly out: { write(text: string): unknown };
  readonly err: { write(text: string): unknown };
  readonly in: AsyncIterable<Uint8Array | string>;
}

/** @throws BadArguments, ERR_CONFIG_INVALID */
export async function printWorld(argv: readonly string[], streams: WorldStreams): Promise<void> {
  const { terraform = '-', zone = null, like, json } = parse(argv, OPTIONS, false).values;
  const text = terraform === '-' ? await all(streams.in) : await textOf(terraform);
  const base = like === undefined ? null : readWorldDocument(await textOf(like), like);
  const world = worldFromTerraform({ text, zone, like: base });
  const { unknownRegions } = worldOf(world, world.policy ?? DEFAULT_POLICY);
  streams.out.write(json === true ? `${JSON.stringify(world, null, 2)}\n` : yamlOf(world));
  if (base === null)
    streams.err.write('No agents are in it, as nobody said which: --like WORLD takes those of a world file.\n');
  if (unknownRegions.length > 0) {
    streams.err.write(
      `Nobody knows where ${unknownRegions.join(', ')} is: declare it under "regions" of the policy.\n`,
    );
  }
}

/** A node a line, as people write it. */
function yamlOf(world: WorldDocument): string {
  const { nodes, ...rest } = world;
  const lines = nodes.map((node) => `  - ${JSON.stringify(node)}`);
  return `${stringify({ version: rest.version })}nodes:\n${lines.join('\n')}\n${stringify(without(rest, 'version'), { lineWidth: 120 })}`;
}

function without<T extends object, K extends keyof T>(value: T, key: K): Omit<T, K> {
  const { [key]: _left, ...kept } = value;
  return kept;
}

async function all(stream: AsyncIterable<Uint8Array | string>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}
