/**
 * What `npm start` and `npm test` run, from a clean clone on. Plain JavaScript without dependencies that an old Node
 * understands, too: it brings Node 24 where that is missing and goes on under it.
 */

import { fileURLToPath } from 'node:url';
import { exitWith } from './setup/exit.mjs';
import { becomeNode, exitCodeOf, runInForeground } from './setup/foreground.mjs';
import { cachedNode, ensureNode, isRecentEnough, NODE_VERSION } from './setup/node-runtime.mjs';
import { runtimeFlags } from './setup/runtime-flags.mjs';
import { SetupError } from './setup/setup-error.mjs';
import { formatDuration, Steps } from './setup/steps.mjs';

const USAGE = 'Usage: node scripts/run.mjs start [-- options of antipode dev] | test [-- filter of test files]';

/**
 * Ends by exit() on a signal, which lets the running programs of the set-up end with us.
 *
 * @returns {() => void} to be called before another program takes over the signals
 */
function endOnSignals() {
  /** @type {NodeJS.Signals[]} */
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  /** @param {NodeJS.Signals} signal */
  const end = (signal) => process.exit(exitCodeOf(signal));
  for (const signal of signals) process.on(signal, end);
  return () => {
    for (const signal of signals) process.removeListener(signal, end);
  };
}

/** @returns {Promise<number>} exit code */
async function main() {
  const startedMs = performance.now();
  const steps = new Steps();
  const [command, ...rest] = process.argv.slice(2);
  const args = rest[0] === '--' ? rest.slice(1) : rest;
  if (command !== 'start' && command !== 'test') throw new SetupError('ERR_SETUP_USAGE', USAGE);

  const releaseSignals = endOnSignals();
  if (!isRecentEnough(process.versions.node)) {
    const node =
      cachedNode() ??
      (await steps.run(`Node ${NODE_VERSION}`, async (step) => {
        step.progress(`this is Node ${process.versions.node}, downloading from the npm registry`);
        step.detail('downloaded from the npm registry into the cache');
        return ensureNode({ onWait: (pid) => step.progress(`waiting for process ${pid}`) });
      }));
    releaseSignals();
    return runInForeground(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
  }

  const { setUp } = await import('./setup/set-up.mjs');
  const ready = await setUp(command, steps);
  console.log(`Set up in ${formatDuration(performance.now() - startedMs)}.`);
  if (command === 'test') {
    const { runTests } = await import('./setup/test-run.mjs');
    return runTests({ steps, filters: args, ...ready });
  }
  const server = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  releaseSignals();
  return becomeNode([...runtimeFlags(), server, 'dev', ...args], { env: ready.env });
}

await exitWith(main);
