/**
 * Finds out which programs of the distribution are missing and installs them where that may be done without asking.
 * Owns the list of packages and how each is recognized; says the one command to type where it may not install.
 */

import { existsSync } from 'node:fs';
import { findProgram, run as runCommand } from './command.mjs';

/**
 * @typedef {object} SystemPackage
 * @property {string} name the Debian package
 * @property {string} purpose what doesn't work without it
 * @property {string[]} [programs] any of these on the PATH means that it is there
 * @property {string[]} [paths] any of these files or folders means that it is there
 * @property {string} [pkgConfig] the library's name for pkg-config
 *
 * @typedef {object} Machine how the module sees the system; tests give another
 * @property {NodeJS.ProcessEnv} env
 * @property {import('./command.mjs').Run} run
 * @property {(program: string) => string | undefined} findProgram
 * @property {(path: string) => boolean} exists
 * @property {() => boolean} isRoot
 */

/** Chromium's names, the distribution's first. */
const CHROMIUM_PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const CHROMIUM_PATHS = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];

/** @type {readonly SystemPackage[]} */
export const SPEECH_PACKAGES = [
  { name: 'flite', purpose: 'the keyless voice speaks with it', programs: ['flite'] },
  { name: 'pocketsphinx', purpose: 'the keyless agent hears with it', programs: ['pocketsphinx_continuous'] },
  {
    name: 'pocketsphinx-en-us',
    purpose: 'the English model of pocketsphinx',
    paths: ['/usr/share/pocketsphinx/model/en-us/en-us'],
  },
];

/** @type {readonly SystemPackage[]} */
export const BROWSER_PACKAGES = [
  {
    name: 'chromium',
    purpose: 'the end-to-end tests call with it',
    programs: CHROMIUM_PROGRAMS,
    paths: CHROMIUM_PATHS,
  },
];

/** @type {readonly SystemPackage[]} */
export const REDIS_PACKAGES = [
  { name: 'redis-server', purpose: 'the tests of the shared registry run it', programs: ['redis-server'] },
];

/** @type {readonly SystemPackage[]} */
export const BUILD_PACKAGES = [
  { name: 'meson', purpose: 'builds the worker', programs: ['meson'] },
  { name: 'ninja-build', purpose: 'builds the worker', programs: ['ninja'] },
  { name: 'g++', purpose: 'builds the worker', programs: ['g++'] },
  { name: 'pkg-config', purpose: 'finds libraries', programs: ['pkg-config', 'pkgconf'] },
  { name: 'libssl-dev', purpose: 'DTLS', pkgConfig: 'openssl' },
  { name: 'libuv1-dev', purpose: 'the event loop', pkgConfig: 'libuv' },
  { name: 'libsrtp2-dev', purpose: 'SRTP', pkgConfig: 'libsrtp2' },
  { name: 'libabsl-dev', purpose: 'bandwidth estimation', pkgConfig: 'absl_flat_hash_map' },
  { name: 'libflatbuffers-dev', purpose: 'the channel to Node', pkgConfig: 'flatbuffers' },
  { name: 'flatbuffers-compiler', purpose: 'the channel to Node', programs: ['flatc'] },
];

/**
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Machine}
 */
export function thisMachine(env = process.env) {
  return {
    env,
    run: runCommand,
    findProgram: (program) => findProgram(program, env),
    exists: existsSync,
    isRoot: () => process.getuid?.() === 0,
  };
}

/**
 * @param {Machine} [machine]
 * @returns {string | undefined} the browser for the end-to-end tests; ANTIPODE_CHROMIUM wins
 */
export function findChromium(machine = thisMachine()) {
  if (machine.env.ANTIPODE_CHROMIUM) return machine.env.ANTIPODE_CHROMIUM;
  for (const program of CHROMIUM_PROGRAMS) {
    const found = machine.findProgram(program);
    if (found) return found;
  }
  return CHROMIUM_PATHS.find((path) => machine.exists(path));
}

/**
 * @param {SystemPackage} wanted
 * @param {Machine} machine
 */
async function isPresent({ name, programs = [], paths = [], pkgConfig }, machine) {
  if (name === 'chromium' && findChromium(machine)) return true;
  if (programs.some((program) => machine.findProgram(program)) || paths.some((path) => machine.exists(path)))
    return true;
  if (!pkgConfig) return false;
  return (await machine.run('pkg-config', ['--exists', pkgConfig], { env: machine.env })).status === 0;
}

/**
 * @param {readonly SystemPackage[]} wanted
 * @param {Machine} [machine]
 * @returns {Promise<SystemPackage[]>} those that aren't there
 */
export async function missingPackages(wanted, machine = thisMachine()) {
  const present = await Promise.all(wanted.map((one) => isPresent(one, machine)));
  return wanted.filter((_, index) => !present[index]);
}

/**
 * @param {readonly SystemPackage[]} packages
 * @param {Machine} [machine]
 * @returns {string} the one command that a person types to install them
 */
export function installCommand(packages, machine = thisMachine()) {
  const sudo = machine.isRoot() ? '' : 'sudo ';
  const names = packages.map(({ name }) => name).join(' ');
  if (!machine.findProgram('apt-get')) return `install ${names} (the names are Debian's) with your package manager`;
  return `${sudo}apt-get install --no-install-recommends ${names}`;
}

/**
 * Installs packages with apt-get when that needs no password.
 *
 * @param {readonly SystemPackage[]} packages
 * @param {Machine} [machine]
 * @param {(line: string) => void} [onLine]
 * @returns {Promise<{ missing: SystemPackage[], reason?: string, output?: string }>} what is missing still, and why
 */
export async function installPackages(packages, machine = thisMachine(), onLine) {
  if (packages.length === 0) return { missing: [] };
  if (!machine.findProgram('apt-get') || !machine.exists('/etc/debian_version')) {
    return { missing: [...packages], reason: 'this system has no apt-get' };
  }
  /** @type {string[]} */
  let prefix = [];
  if (!machine.isRoot()) {
    const mayInstall = machine.findProgram('sudo') && (await machine.run('sudo', ['-n', 'true'])).status === 0;
    if (!mayInstall) return { missing: [...packages], reason: 'installing them needs a password' };
    prefix = ['sudo', '-n', '--preserve-env=DEBIAN_FRONTEND'];
  }

  const env = { ...machine.env, DEBIAN_FRONTEND: 'noninteractive' };
  /** @param {string[]} args */
  const aptGet = (args) => {
    const [program, ...rest] = /** @type {[string, ...string[]]} */ ([...prefix, 'apt-get', ...args]);
    return machine.run(program, rest, { env, onLine });
  };
  const install = ['install', '-y', '--no-install-recommends', ...packages.map(({ name }) => name)];
  let result = await aptGet(install);
  if (result.status !== 0) {
    // The lists of packages are missing or out of date.
    await aptGet(['update']);
    result = await aptGet(install);
  }
  const missing = await missingPackages(packages, machine);
  return missing.length === 0 ? { missing } : { missing, reason: 'apt-get failed', output: result.output };
}
