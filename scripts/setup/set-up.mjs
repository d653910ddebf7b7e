/**
 * The set-up: what `npm start` and `npm test` do before their own work, step by step. Owns the order of the steps and
 * the environment in which the product runs afterwards.
 */

import { delimiter, dirname, join } from 'node:path';
import { ensureDependencies } from './dependencies.mjs';
import { withFileLock } from './file-lock.mjs';
import { ensureWorker } from './mediasoup-worker.mjs';
import { ensurePage } from './page.mjs';
import { ROOT } from './paths.mjs';
import { explainUnwritable } from './setup-error.mjs';
import {
  BROWSER_PACKAGES,
  findChromium,
  installCommand,
  installPackages,
  missingPackages,
  REDIS_PACKAGES,
  SPEECH_PACKAGES,
  thisMachine,
} from './system-packages.mjs';

/**
 * @typedef {'start' | 'test'} SetUpPurpose
 *
 * @typedef {object} SetUpResult
 * @property {NodeJS.ProcessEnv} env the environment in which the product and its tests run
 * @property {string[]} missingPackages system packages that could not be installed
 * @property {string} [installCommand] what to type to install them
 */

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv} with this Node first on the PATH, so that `node` means the one that runs us
 */
export function withThisNode(env) {
  const bin = dirname(process.execPath);
  const path = env.PATH ?? '';
  return { ...env, PATH: path.split(delimiter)[0] === bin ? path : `${bin}${delimiter}${path}` };
}

/**
 * @param {SetUpPurpose} purpose
 * @param {import('./steps.mjs').Steps} steps
 * @param {NodeJS.ProcessEnv} [outerEnv]
 * @returns {Promise<SetUpResult>}
 */
export async function setUp(purpose, steps, outerEnv = process.env) {
  const env = { ...withThisNode(outerEnv), ONNXRUNTIME_NODE_INSTALL_CUDA: 'skip' };
  const machine = thisMachine(env);

  const packages = await steps.run('system packages', (step) => ensurePackages(purpose, machine, step));

  return explainUnwritable(ROOT, () =>
    withFileLock(join(ROOT, 'dist/setup.lock'), async () => {
      await steps.run('dependencies', async (step) => {
        step.progress('npm ci');
        step.detail((await ensureDependencies({ env })) ? 'installed' : 'in place');
      });
      const worker = await steps.run('mediasoup worker', async (step) => {
        let note = '';
        const found = await ensureWorker({
          env,
          machine,
          onProgress: step.progress,
          onNote: (text) => {
            note = `, ${text}`;
            step.progress(text);
          },
        });
        step.detail(found.fresh ? `${found.origin}${note}` : `${found.origin}, in place`);
        return found;
      });
      await steps.run('page', async (step) => {
        step.progress('vite build');
        step.detail((await ensurePage({ env })) ? 'built' : 'in place');
      });

      const chromium = findChromium(machine);
      return {
        env: { ...env, MEDIASOUP_WORKER_BIN: worker.path, ...(chromium && { ANTIPODE_CHROMIUM: chromium }) },
        ...packages,
      };
    }),
  );
}

/**
 * @param {SetUpPurpose} purpose
 * @param {import('./system-packages.mjs').Machine} machine
 * @param {import('./steps.mjs').StepHandle} step
 * @returns {Promise<{ missingPackages: string[], installCommand?: string }>}
 */
async function ensurePackages(purpose, machine, step) {
  const wanted = purpose === 'test' ? [...SPEECH_PACKAGES, ...BROWSER_PACKAGES, ...REDIS_PACKAGES] : SPEECH_PACKAGES;
  const absent = await missingPackages(wanted, machine);
  if (absent.length === 0) {
    step.detail('in place');
    return { missingPackages: [] };
  }
  step.progress(`installing ${absent.map(({ name }) => name).join(' ')}`);
  const { missing, reason } = await installPackages(absent, machine);
  if (missing.length === 0) {
    step.detail(`installed ${absent.map(({ name }) => name).join(' ')}`);
    return { missingPackages: [] };
  }
  const names = missing.map(({ name }) => name);
  const command = installCommand(missing, machine);
  const consequences = missing.map(({ name, purpose: use }) => `${name} (${use})`).join(', ');
  step.warn(`without ${consequences}, as ${reason}. The echo agent works. To have them: ${command}`);
  return { missingPackages: names, installCommand: command };
}
