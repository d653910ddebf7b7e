/** The doctor's look at what the set-up has installed: Node, the dependencies, the mediasoup worker, the page. */
import { existsSync } from 'node:fs';
import { missingDependencies } from '../../scripts/setup/dependencies.mjs';
import { findWorker, mediasoupVersion, workerOrigin, workerRuns } from '../../scripts/setup/mediasoup-worker.mjs';
import { NODE_MAJOR } from '../../scripts/setup/node-runtime.mjs';
import { pageIsBuilt } from '../../scripts/setup/page.mjs';
import type { DoctorCheck, DoctorOptions } from './check.ts';

/** Names of different packages that are listed before "and so on". */
const SHOWN_PACKAGES = 3;

export async function probeNode(): Promise<DoctorCheck[]> {
  return [checkNode(process.versions.node, process.execPath)];
}

/** @param version such as "24.21.0" */
export function checkNode(version: string, path: string): DoctorCheck {
  const detail = `${version} (${path})`;
  if (Number.parseInt(version, 10) >= NODE_MAJOR) return { name: 'node', status: 'ok', detail };
  return { name: 'node', status: 'fail', detail, fix: `npm start brings Node ${NODE_MAJOR}` };
}

export async function probeDependencies({ root }: DoctorOptions): Promise<DoctorCheck[]> {
  return [checkDependencies(await missingDependencies(root))];
}

/** @param different packages that aren't installed as package-lock.json asks, as name@version */
export function checkDependencies(different: readonly string[]): DoctorCheck {
  const name = 'dependencies';
  if (different.length === 0) return { name, status: 'ok', detail: 'as package-lock.json asks' };
  const shown = different.slice(0, SHOWN_PACKAGES).join(', ');
  const more = different.length > SHOWN_PACKAGES ? ` and ${different.length - SHOWN_PACKAGES} more` : '';
  return { name, status: 'fail', detail: `not as package-lock.json asks: ${shown}${more}`, fix: 'npm start' };
}

export async function probeWorker({ root, environment }: DoctorOptions): Promise<DoctorCheck[]> {
  const name = 'mediasoup worker';
  const path = await findWorker({ root, env: environment });
  if (!path || !existsSync(path)) {
    return [{ name, status: 'fail', detail: path ? `${path} is missing` : 'none yet', fix: 'npm start' }];
  }
  if (!workerRuns(path, environment)) {
    const fix = environment.MEDIASOUP_WORKER_BIN ? 'unset MEDIASOUP_WORKER_BIN, or: npm start' : 'npm start';
    return [{ name, status: 'fail', detail: `${path} does not run on this machine`, fix }];
  }
  // The worker itself refuses to talk to a mediasoup of another version.
  const { createWorker } = await import('mediasoup');
  const worker = await createWorker({ workerBin: path, logLevel: 'none' });
  worker.close();
  const version = await mediasoupVersion(root);
  return [{ name, status: 'ok', detail: `${version}, ${workerOrigin(path)}, answers (${path})` }];
}

export async function probePage({ root }: DoctorOptions): Promise<DoctorCheck[]> {
  const built = await pageIsBuilt(root);
  if (built) return [{ name: 'page', status: 'ok', detail: 'built from the present source' }];
  return [{ name: 'page', status: 'fail', detail: 'not built, or older than its source', fix: 'npm start' }];
}
