/**
 * `node scripts/node.mjs PROGRAM ...` runs a program of the repository (a benchmark, vitest) under Node 24, with the
 * worker and the browser that the set-up has found, whichever Node the system has.
 */

import { exitWith } from './setup/exit.mjs';
import { launch } from './setup/launch.mjs';
import { SetupError } from './setup/setup-error.mjs';

const [program, ...args] = process.argv.slice(2);
await exitWith(async () => {
  if (!program) throw new SetupError('ERR_SETUP_USAGE', 'Usage: node scripts/node.mjs PROGRAM [arguments]');
  return launch(program, args);
});
