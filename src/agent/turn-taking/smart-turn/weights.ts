/**
 * Where the weights of Smart Turn v3 lie: in the cache, under their SHA-256. Finds and checks them; fetching is the
 * set-up's (scripts/setup/smart-turn-weights.mjs).
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type PinnedWeights, pinnedWeights, weightsPath } from '../../../../scripts/setup/smart-turn-weights.mjs';
import type { OrMissing } from '../../services/missing.ts';

export interface SmartTurnWeights {
  readonly weightsFile: string;
}

/**
 * The checked weights, or in words for people why there are none and what to do; the file is read whole for it.
 * @param pin what is looked for; by default what the product is pinned to
 */
export async function findSmartTurnWeights(
  env: NodeJS.ProcessEnv = process.env,
  pin?: PinnedWeights,
): Promise<OrMissing<SmartTurnWeights>> {
  const wanted = pin ?? (await pinnedWeights());
  const weightsFile = weightsPath(wanted, env);
  const remedy = 'Fetch them: node scripts/setup/smart-turn-weights.mjs';
  let content: Buffer;
  try {
    content = await readFile(weightsFile);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'are not in the cache' : `can't be read (${code}: ${weightsFile})`;
    return { missing: `The weights of Smart Turn ${why}, so turns end by silence alone. ${remedy}` };
  }
  const found = createHash('sha256').update(content).digest('hex');
  if (found === wanted.sha256) return { weightsFile };
  return {
    missing:
      `${weightsFile} is not the file that it should be (its SHA-256 is ${found}), so it is not used and turns end ` +
      `by silence alone. ${remedy}`,
  };
}
