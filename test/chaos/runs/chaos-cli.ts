/** The chaos command as a test runs it: a process of its own, its JSON read, its words in the error when it fails. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ChaosResult } from '../chaos-run.ts';

const RUN = join(import.meta.dirname, '../run.ts');
/** Chosen once; another one strikes other moments. */
const SEED = 7;

export interface ChaosExit {
  code: number | null;
  stdout: string;
  stderr: string;
}

export async function chaosCommand(args: readonly string[]): Promise<ChaosExit> {
  const child = spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended: ChaosExit = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    ended.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    ended.stderr += chunk;
  });
  [ended.code] = (await once(child, 'close')) as [number | null];
  return ended;
}

/** A short run. @throws Error with what the command said when it did not come to a result */
export async function chaos(scenario: string, calls: number, ...args: string[]): Promise<ChaosResult> {
  const base = ['--scenario', scenario, '--calls', String(calls), '--seed', String(SEED), '--json'];
  const { code, stdout, stderr } = await chaosCommand([...base, ...args]);
  if (code !== 0 && code !== 1) throw new Error(`chaos ${scenario} ended with ${code}:\n${stderr.slice(-4_000)}`);
  return JSON.parse(stdout) as ChaosResult;
}

/** What must hold on a machine of any speed: how long a gap was is for a quiet one. */
export function sound(result: ChaosResult) {
  const { survived, broken, callerWordsLost, agentWordsLost, agentWordsRepeated, toolsRunTwice } = result;
  return { survived, broken, callerWordsLost, agentWordsLost, agentWordsRepeated, toolsRunTwice };
}

export function nothingLost(calls: number): ReturnType<typeof sound> {
  const none = { callerWordsLost: 0, agentWordsLost: 0, agentWordsRepeated: 0, toolsRunTwice: 0 };
  return { survived: calls, broken: [], ...none };
}
