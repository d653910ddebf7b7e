/** How a script ends: with its exit code, or with an error that a person can act on. */

import { SetupError } from './setup-error.mjs';

/**
 * @param {() => Promise<number>} main
 */
export async function exitWith(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    if (error.output) console.error(`\n${error.output.trimEnd()}\n`);
    console.error(`${error.code}: ${error.message}`);
    if (error.remedy) console.error(error.remedy);
    process.exitCode = 1;
  }
}
