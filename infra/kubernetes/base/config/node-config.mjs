/**
 * Makes a node's settings from those of its role and what only the pod knows: the region of the registry, and for a POP
 * the public address and name by which callers reach it. Runs before the node, in the same image; refuses what would
 * leave a POP that nobody reaches.
 *
 *   node node-config.mjs FROM TO
 */

import { realpathSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const METADATA_TIMEOUT_MS = 2_000;

/**
 * @param {Record<string, any>} settings of the role
 * @param {{ env: Record<string, string | undefined>, fetch: typeof globalThis.fetch }} surroundings
 * @returns {Promise<Record<string, any>>}
 */
export async function nodeConfig(settings, { env, fetch }) {
  const { REGISTRY_REGION: registryRegion, POP_NAMES: names, POP_ADDRESS: given } = env;
  if (!registryRegion) throw new Error('REGISTRY_REGION is missing: the region that the registry stands in.');
  const { residency = {}, edge } = settings;
  const made = { ...settings, residency: { ...residency, stores: { registry: registryRegion, ...residency.stores } } };
  if (edge === undefined) return made;

  const address = given || (await publicAddress(fetch, env.METADATA_URL || 'http://169.254.169.254'));
  return {
    ...made,
    edge: { ...edge, announcedAddress: address },
    http: { ...settings.http, publicUrl: publicUrl(address, names ?? '') },
  };
}

/**
 * @param {string} address
 * @param {string} names `ADDRESS=NAME,...`; a name may be a whole URL, such as for a laptop
 */
function publicUrl(address, names) {
  const pairs = names.split(',').map((pair) => pair.trim().split('='));
  const name = pairs.find(([each]) => each === address)?.[1];
  if (!name) {
    const known = pairs.map(([each]) => each).filter(Boolean);
    throw new Error(
      `This machine's public address is ${address}, which has no name in POP_NAMES (${known.join(', ') || 'empty'}). ` +
        'Did it take an address of the pool when it started? Is region.env of the newest terraform output?',
    );
  }
  return name.includes('://') ? name : `https://${name}`;
}

/**
 * Of the machine, by EC2's metadata service (version 2). Another cloud's would be asked here.
 *
 * @param {typeof globalThis.fetch} fetch
 * @param {string} base
 */
async function publicAddress(fetch, base) {
  /** @param {string} path @param {RequestInit} init */
  const ask = async (path, init) => {
    const response = await fetch(`${base}${path}`, { ...init, signal: AbortSignal.timeout(METADATA_TIMEOUT_MS) });
    if (!response.ok) throw new Error(`The metadata service answered ${response.status} to ${path}.`);
    return (await response.text()).trim();
  };
  const token = await ask('/latest/api/token', {
    method: 'PUT',
    headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' },
  });
  return ask('/latest/meta-data/public-ipv4', { headers: { 'x-aws-ec2-metadata-token': token } });
}

/** @param {string[]} args */
async function main([from, to]) {
  if (!from || !to) throw new Error('Usage: node node-config.mjs FROM TO');
  // The image's own package: this file is mounted beside it.
  const { parse, stringify } = createRequire(`${process.env.ANTIPODE_HOME || '/opt/antipode'}/package.json`)('yaml');
  const made = await nodeConfig(parse(await readFile(from, 'utf8')), { env: process.env, fetch: globalThis.fetch });
  await writeFile(to, stringify(made), { mode: 0o600 });
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await main(process.argv.slice(2)).catch((error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
}
