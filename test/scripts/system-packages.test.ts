/** Recognizing and installing the distribution's packages, on machines that are made up. */
import { expect, test } from 'vitest';
import {
  BROWSER_PACKAGES,
  BUILD_PACKAGES,
  findChromium,
  installCommand,
  installPackages,
  type Machine,
  missingPackages,
  SPEECH_PACKAGES,
} from '../../scripts/setup/system-packages.mjs';

interface FakeMachine extends Machine {
  commands: string[];
}

interface FakeMachineOptions {
  programs?: string[];
  paths?: string[];
  libraries?: string[];
  root?: boolean;
  sudoNeedsPassword?: boolean;
  /** Exit codes of successive `apt-get install`. */
  aptStatus?: number[];
  /** Programs that a successful `apt-get install` brings. */
  brings?: string[];
}

function fakeMachine(options: FakeMachineOptions): FakeMachine {
  const programs = new Set(options.programs ?? []);
  const paths = new Set(options.paths ?? []);
  const statuses = [...(options.aptStatus ?? [0])];
  const commands: string[] = [];
  return {
    commands,
    env: {},
    isRoot: () => options.root ?? false,
    findProgram: (program) => (programs.has(program) ? `/usr/bin/${program}` : undefined),
    exists: (path) => paths.has(path),
    run: async (program, args) => {
      const line = [program, ...args].join(' ');
      if (program === 'pkg-config') {
        return { status: options.libraries?.includes(args[1] ?? '') ? 0 : 1, output: '' };
      }
      commands.push(line);
      if (line === 'sudo -n true') return { status: options.sudoNeedsPassword ? 1 : 0, output: '' };
      if (!line.includes('apt-get install')) return { status: 0, output: '' };
      const status = statuses.shift() ?? 0;
      if (status === 0) for (const one of options.brings ?? []) programs.add(one);
      return { status, output: status === 0 ? '' : 'E: Unable to locate package' };
    },
  };
}

const DEBIAN = ['/etc/debian_version'];
const [FLITE] = SPEECH_PACKAGES.filter(({ name }) => name === 'flite') as [(typeof SPEECH_PACKAGES)[number]];

test('programs are found on the PATH, models by their folder, libraries by pkg-config', async () => {
  const machine = fakeMachine({
    programs: ['flite', 'pocketsphinx_continuous', 'meson', 'ninja', 'g++', 'pkg-config', 'flatc'],
    libraries: ['openssl', 'libuv', 'libsrtp2', 'flatbuffers'],
  });
  expect((await missingPackages(SPEECH_PACKAGES, machine)).map(({ name }) => name)).toEqual(['pocketsphinx-en-us']);
  expect((await missingPackages(BUILD_PACKAGES, machine)).map(({ name }) => name)).toEqual(['libabsl-dev']);
});

test('any of the names of Chromium counts, and ANTIPODE_CHROMIUM wins', async () => {
  const machine = fakeMachine({ programs: ['google-chrome'] });
  expect(findChromium(machine)).toBe('/usr/bin/google-chrome');
  expect(await missingPackages(BROWSER_PACKAGES, machine)).toEqual([]);
  expect(findChromium({ ...machine, env: { ANTIPODE_CHROMIUM: '/opt/chromium' } })).toBe('/opt/chromium');
  expect(await missingPackages(BROWSER_PACKAGES, fakeMachine({}))).toEqual([...BROWSER_PACKAGES]);
});

test('root installs with apt-get at once', async () => {
  const machine = fakeMachine({ programs: ['apt-get'], paths: DEBIAN, root: true, brings: ['flite'] });
  expect(await installPackages([FLITE], machine)).toEqual({ missing: [] });
  expect(machine.commands).toEqual(['apt-get install -y --no-install-recommends flite']);
});

test('the lists of packages are updated when the first attempt fails', async () => {
  const options = { programs: ['apt-get'], paths: DEBIAN, root: true, aptStatus: [100, 0], brings: ['flite'] };
  const machine = fakeMachine(options);
  expect(await installPackages([FLITE], machine)).toEqual({ missing: [] });
  expect(machine.commands[1]).toBe('apt-get update');
  expect(machine.commands).toHaveLength(3);
});

test('sudo is used where it asks for no password', async () => {
  const machine = fakeMachine({ programs: ['apt-get', 'sudo'], paths: DEBIAN, brings: ['flite'] });
  expect((await installPackages([FLITE], machine)).missing).toEqual([]);
  expect(machine.commands[1]).toMatch(/^sudo -n .*apt-get install -y --no-install-recommends flite$/);
});

test('nothing is installed where a password would be asked for; the command to type is told', async () => {
  const machine = fakeMachine({ programs: ['apt-get', 'sudo'], paths: DEBIAN, sudoNeedsPassword: true });
  const result = await installPackages([...SPEECH_PACKAGES], machine);
  expect(result).toMatchObject({ reason: 'installing them needs a password' });
  expect(result.missing).toHaveLength(SPEECH_PACKAGES.length);
  expect(machine.commands).toEqual(['sudo -n true']);
  expect(installCommand(result.missing, machine)).toBe(
    'sudo apt-get install --no-install-recommends flite pocketsphinx pocketsphinx-en-us',
  );
});

test('a system without apt-get is told the names', async () => {
  const machine = fakeMachine({ root: true });
  expect(await installPackages([FLITE], machine)).toMatchObject({ reason: 'this system has no apt-get' });
  expect(installCommand([FLITE], machine)).toContain('install flite');
  expect(machine.commands).toEqual([]);
});

test('an apt-get that fails twice leaves its output', async () => {
  const machine = fakeMachine({ programs: ['apt-get'], paths: DEBIAN, root: true, aptStatus: [100, 100] });
  const result = await installPackages([FLITE], machine);
  expect(result).toMatchObject({ missing: [FLITE], reason: 'apt-get failed', output: 'E: Unable to locate package' });
});
