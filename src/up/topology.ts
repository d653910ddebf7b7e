/**
 * A topology: the nodes of a whole deployment on one machine, where each is to stand in the world, and how long the ways
 * between them are. Owns the file's form and its refusals; what is started of it is parts.ts.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';

const name = z
  .string()
  .max(40)
  .regex(/^[a-z0-9][a-z0-9-]*$/, 'lower-case letters, digits and dashes only')
  .refine((text) => !RESERVED.includes(text), 'is the name of a part that every topology has');
const region = z.string().min(1).max(64);
const port = z.number().int().min(1).max(65_535);

/** Parts of every topology that are no nodes. */
export const RESERVED: readonly string[] = ['wan', 'redis', 'stand-ins', 'placement'];

const pathSchema = z
  .strictObject({
    from: region.describe('A region; both ways count.'),
    to: region,
    rttMs: z.number().min(0).max(5_000).describe('There and back, milliseconds.'),
    jitterMs: z.number().min(0).max(1_000).optional().describe('Added at random to each way, up to this.'),
    loss: z.number().min(0).max(0.5).optional().describe('Share of the packets that never arrive.'),
  })
  .describe('A way between two regions, where it is not to be as the shipped data has it.');

export const topologySchema = z.strictObject({
  version: z.literal(1),
  title: z.string().max(120).optional().describe('What this shows, for people.'),
  network: z
    .number()
    .int()
    .min(1)
    .max(254)
    .default(40)
    .describe('Nodes get the addresses 127.<network>.1.x and are reached by each other at 127.<network>.2.x.'),
  redis: z
    .strictObject({ port, region })
    .describe('The registry: a redis-server of its own, which keeps nothing on disk.'),
  placement: z
    .strictObject({
      port: port.optional().describe('Runs `antipode placement` there; without it POPs place by themselves alone.'),
      region: region.optional(),
      policy: z.string().min(1).optional().describe('Policy file, by its path from this file; followed while it runs.'),
    })
    .default({}),
  standIn: z
    .strictObject({
      port,
      region: region.describe('Where the AI services stand that all cores use.'),
      hearMs: z.number().min(0).max(10_000).default(150).describe('To understand what was said.'),
      thinkMs: z.number().min(0).max(10_000).default(300).describe('To a first word of an answer.'),
    })
    .optional()
    .describe('Stands in for a provider of AI services. Without it agents run on the programs of their cores.'),
  pops: z
    .record(
      name,
      z.strictObject({
        region,
        port: port.describe('Of the page, REST and signaling.'),
        mediaPort: port.describe("Of callers' media, UDP and TCP."),
      }),
    )
    .refine((pops) => Object.keys(pops).length > 0, 'must name one at least'),
  cores: z
    .record(
      name,
      z.strictObject({
        region,
        port: port.describe('Of health and metrics.'),
        capacity: z.number().int().min(1).optional(),
      }),
    )
    .refine((cores) => Object.keys(cores).length > 0, 'must name one at least'),
  paths: z.array(pathSchema).max(200).default([]),
  config: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Settings of every node, as in antipode.yaml, such as limits or edge.reflex.'),
});
export type Topology = z.infer<typeof topologySchema>;

export interface ReadTopology {
  readonly topology: Topology;
  /** Absolute; null where the topology names none. */
  readonly policyFile: string | null;
}

/** @throws ERR_CONFIG_INVALID with every wrong place, one line each */
export function readTopology(file: string): ReadTopology {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AntipodeError('ERR_CONFIG_INVALID', `Cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  const topology = parseTopology(text, file);
  const { policy } = topology.placement;
  return { topology, policyFile: policy === undefined ? null : resolve(dirname(file), policy) };
}

/** @throws ERR_CONFIG_INVALID with every wrong place, one line each */
export function parseTopology(text: string, file: string): Topology {
  const document = parseDocument(text, { uniqueKeys: true });
  const broken = document.errors[0]?.message.split('\n', 1)[0];
  if (broken !== undefined) throw refused(file, [broken]);
  const result = topologySchema.safeParse(document.toJS({ maxAliasCount: 50 }) ?? {});
  if (!result.success) {
    throw refused(
      file,
      result.error.issues.map(({ path, message }) => `${path.join('.') || '(file)'}: ${message}`),
    );
  }
  const twice = portsTwice(result.data);
  if (twice.length > 0) throw refused(file, twice);
  return result.data;
}

/** For editors. */
export function topologyJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(topologySchema, { io: 'input' });
  return { $schema, title: 'Antipode topology', description: 'What `antipode up` runs on one machine.', ...schema };
}

function portsTwice({ redis, placement, standIn, pops, cores }: Topology): string[] {
  const used = new Map<number, string>();
  const faults: string[] = [];
  const take = (path: string, number: number | undefined) => {
    if (number === undefined) return;
    const other = used.get(number);
    if (other !== undefined) faults.push(`${path}: ${number} is ${other} too`);
    used.set(number, path);
  };
  take('redis.port', redis.port);
  take('placement.port', placement.port);
  take('standIn.port', standIn?.port);
  for (const [id, pop] of Object.entries(pops)) {
    take(`pops.${id}.port`, pop.port);
    take(`pops.${id}.mediaPort`, pop.mediaPort);
  }
  for (const [id, core] of Object.entries(cores)) take(`cores.${id}.port`, core.port);
  for (const id of Object.keys(cores)) if (id in pops) faults.push(`cores.${id}: a POP is called so too`);
  return faults;
}

function refused(file: string, lines: readonly string[]): AntipodeError {
  return new AntipodeError('ERR_CONFIG_INVALID', `${file} is refused:\n  ${lines.join('\n  ')}`);
}
