/**
 * The image's HEALTHCHECK: asks `/healthz` of whatever role runs in the container, or at the port that is given. Exits 0
 * when it is alive. Kubernetes uses its own probes.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Where each role listens unless PORT says something else; `dev` and `edge` are the rest. */
const PORTS = { core: 8081, placement: 8082 };
const DEFAULT_PORT = 8080;
const TIMEOUT_MS = 3_000;

/**
 * @param {readonly string[]} commandLine of the container's first process
 * @param {Record<string, string | undefined>} env
 */
export function portOf(commandLine, env) {
  if (env.PORT) return Number(env.PORT);
  const role = Object.keys(PORTS).find((name) => commandLine.includes(name));
  return role === undefined ? DEFAULT_PORT : PORTS[/** @type {keyof typeof PORTS} */ (role)];
}

/** @param {number} port */
export async function isHealthy(port) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return response.ok;
  } catch (error) {
    process.stderr.write(`port ${port}: ${/** @type {Error} */ (error).message}\n`);
    return false;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [given] = process.argv.slice(2);
  const port = given ? Number(given) : portOf(readFileSync('/proc/1/cmdline', 'utf8').split('\0'), process.env);
  process.exitCode = (await isHealthy(port)) ? 0 : 1;
}
