/**
 * The world that Terraform made, as placement's: nodes come from the output `worlds` of infra/terraform/live, all else from a
 * world that is given beside it. Owns the reading of that output and its refusals; what a world is, is world-document.ts.
 */
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import { nodeStoresSchema } from '../registry/index.ts';
import { nearestWord } from './regions.ts';
import { readWorldDocument, type WorldDocument } from './world-document.ts';

const word = z.string().min(1).max(120);

/** Strict: an output of another version of infra/terraform is refused rather than half read. */
const nodeSchema = z.strictObject({
  nodeId: word,
  role: z.enum(['pop', 'core']),
  region: word,
  capacity: z.number().int().min(0).max(10_000_000),
  signalingUrl: z.string().min(1).max(500).optional(),
  stores: z.strictObject(nodeStoresSchema.shape).optional(),
});

const worldsSchema = z.record(
  word,
  z.strictObject({ version: z.literal(1), nodes: z.array(nodeSchema).min(1, 'has no node').max(100_000) }),
);

/** All outputs of a root module, as `terraform output -json` tells them; of several only ours is looked at. */
const allOutputsSchema = z.looseObject({ worlds: z.looseObject({ value: z.unknown() }) });

export interface TerraformWorldOptions {
  /** Of `terraform output -json` or `terraform output -json worlds`. */
  text: string;
  /** Residency zone; null where the output has one only. */
  zone: string | null;
  /** Agents, endpoints, paths, regions and policy are its; its nodes are left out. */
  like: WorldDocument | null;
}

/** @throws ERR_CONFIG_INVALID with what is wrong, one line each */
export function worldFromTerraform({ text, zone, like }: TerraformWorldOptions): WorldDocument {
  const worlds = worldsIn(text);
  const zones = Object.keys(worlds);
  const wanted = zone ?? (zones.length === 1 ? zones[0]! : null);
  if (wanted === null) throw invalid([`there are several zones, ${zones.join(', ')}: say which`]);
  const world = worlds[wanted];
  if (world === undefined) {
    const near = nearestWord(wanted, zones);
    throw invalid([
      `there is no zone "${wanted}"${near === null ? '' : `; did you mean "${near}"?`} (${zones.join(', ') || 'none'})`,
    ]);
  }
  const doubled = world.nodes.find(
    ({ nodeId }, place) => world.nodes.findIndex((one) => one.nodeId === nodeId) < place,
  );
  if (doubled !== undefined) throw invalid([`${wanted}: two nodes are called "${doubled.nodeId}"`]);
  const agents = Object.keys(like?.agents ?? {});
  const nodes = world.nodes.map((node) => (node.role === 'core' ? { ...node, agents } : node));
  const { at: _then, state: _itsState, ...kept } = like ?? {};
  // Through the one reader, so that whatever comes out can be read again.
  return readWorldDocument(JSON.stringify({ ...kept, version: 1, nodes }), 'the world from Terraform');
}

function worldsIn(text: string): z.infer<typeof worldsSchema> {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (error) {
    throw invalid([`this is no JSON (${(error as Error).message}); it wants what terraform output -json prints`]);
  }
  const all = allOutputsSchema.safeParse(read);
  const result = worldsSchema.safeParse(all.success ? all.data.worlds.value : read);
  if (!result.success) {
    throw invalid(result.error.issues.map(({ path, message }) => `${path.join('.') || 'worlds'}: ${message}`));
  }
  if (Object.keys(result.data).length === 0) throw invalid(['worlds is empty: has terraform apply run?']);
  return result.data;
}

function invalid(lines: readonly string[]): AntipodeError {
  return new AntipodeError('ERR_CONFIG_INVALID', `Terraform's output is refused:\n  ${lines.join('\n  ')}`);
}
