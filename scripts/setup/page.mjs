/** Builds the page that a caller opens into dist/web when its source has changed. Owns dist/web. */

import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run as runCommand } from './command.mjs';
import { ROOT } from './paths.mjs';
import { SetupError, unwritable } from './setup-error.mjs';
import { fingerprint, readStamp, removeStamp, writeStamp } from './stamp.mjs';

const OUTPUT = 'dist/web';
/** Beside the page, as everything in it is served. */
const STAMP = 'dist/web.stamp';
/** What the page is made from: its own source, what it shares with the server, and its dependencies. */
const SOURCES = [
  'web',
  'src/signaling/protocol.ts',
  'src/agent/client-events.ts',
  'src/registry/registry.ts',
  'src/clock.ts',
  'src/errors.ts',
  'package-lock.json',
];

/**
 * @param {string} [root]
 * @returns {Promise<boolean>} whether dist/web holds the page of the present source
 */
export async function pageIsBuilt(root = ROOT) {
  const [stamp, wanted] = await Promise.all([readStamp(join(root, STAMP)), fingerprint(root, SOURCES)]);
  return stamp === wanted && existsSync(join(root, OUTPUT, 'index.html'));
}

/**
 * @param {object} [options]
 * @param {string} [options.root]
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {import('./command.mjs').Run} [options.run]
 * @returns {Promise<boolean>} whether it had to be built
 * @throws {SetupError} ERR_SETUP_PAGE, ERR_SETUP_CACHE
 */
export async function ensurePage({ root = ROOT, env = process.env, run = runCommand } = {}) {
  if (!existsSync(join(root, 'web/index.html'))) {
    throw new SetupError('ERR_SETUP_PAGE', 'web/index.html is missing, so the page cannot be built.', {
      remedy: 'Is this clone complete? Try: git checkout -- web',
    });
  }
  if (await pageIsBuilt(root)) return false;

  const wanted = await fingerprint(root, SOURCES);
  const dist = join(root, 'dist');
  const temporary = `${OUTPUT}.building-${process.pid}`;
  await mkdir(dist, { recursive: true });
  for (const name of await readdir(dist)) {
    if (name.startsWith('web.building-')) await rm(join(dist, name), { recursive: true, force: true });
  }
  // The server's own NODE_ENV must not decide which build of React the page gets.
  const { NODE_ENV: _ignored, ...buildEnv } = env;
  try {
    const vite = join(root, 'node_modules/vite/bin/vite.js');
    const { status, output } = await run(
      process.execPath,
      [vite, 'build', 'web', '--outDir', join(root, temporary), '--emptyOutDir', '--logLevel', 'warn'],
      { cwd: root, env: buildEnv },
    );
    if (status !== 0) {
      const error = new SetupError('ERR_SETUP_PAGE', 'The page could not be built.', {
        remedy: 'Look at the messages of vite above.',
        output,
      });
      throw unwritable(dist, error) ?? error;
    }
    await removeStamp(join(root, STAMP));
    await rm(join(root, OUTPUT), { recursive: true, force: true });
    await rename(join(root, temporary), join(root, OUTPUT));
    await writeStamp(join(root, STAMP), wanted);
    return true;
  } finally {
    await rm(join(root, temporary), { recursive: true, force: true });
  }
}
