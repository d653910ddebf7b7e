#!/usr/bin/env node
/**
 * The command line: `antipode dev | up | edge | core | placement | call | eval | doctor | services`, and for operators
 * `status | sessions | drain | move`. Owns arguments, exit codes and the words that a person sees; each command's work
 * lives in its own file and is loaded when it is asked for.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { systemClock } from './clock.ts';
import { loadConfig } from './config/index.ts';
import { endOnSignal } from './end-on-signal.ts';
import { AntipodeError } from './errors.ts';
import { endedBySignal, operatorCommands } from './operator-commands.ts';
import type { RoleName } from './role-command.ts';
import { createLogger } from './telemetry/index.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const DEFAULT_CONFIG_FILE = 'antipode.yaml';

const program = new Command('antipode')
  .description('Self-hosted real-time voice agents: callers end at a nearby POP, agents run where they answer soonest.')
  .exitOverride()
  .showHelpAfterError('(antipode --help shows the commands)');

program
  .command('dev')
  .description('run a POP, a core, placement and an in-memory registry in one process')
  .option('-c, --config <file>', `configuration file (default: ${DEFAULT_CONFIG_FILE} where it exists)`)
  .action(dev);

program
  .command('edge')
  .description('run a POP: callers, their media, placement (needs a common registry: docs/operate.md)')
  .option('-c, --config <file>', `configuration file (default: ${DEFAULT_CONFIG_FILE} where it exists)`)
  .action((options: { config?: string }) => runRole('edge', options));

program
  .command('core')
  .description('run a core: agents, which POPs connect to (needs a common registry)')
  .option('-c, --config <file>', `configuration file (default: ${DEFAULT_CONFIG_FILE} where it exists)`)
  .action((options: { config?: string }) => runRole('core', options));

operatorCommands(program, (config) => ({ config: readConfig(config), clock: systemClock }));

program
  .command('up')
  .description('run a whole deployment on this machine: POPs, cores, the registry, and the long ways between them')
  .option('-t, --topology <file>', 'what to run, such as infra/topologies/australia.yaml')
  .option('--only <names>', 'these parts alone, with commas between: wan, redis, stand-ins, placement, or nodes')
  .option('--no-restart', 'a process that dies stays dead')
  .option('--listen <address>', 'where POPs listen for callers (default: localhost)')
  .option('--schema', 'print the JSON Schema of topologies')
  .action(async (options: UpFlags) => {
    const { topologyFile, upCommand } = await import('./up/up-command.ts');
    if (options.schema) {
      const { topologyJsonSchema } = await import('./up/topology.ts');
      process.stdout.write(`${JSON.stringify(topologyJsonSchema(), null, 2)}\n`);
      return;
    }
    process.exitCode = await upCommand({
      ...{ topology: topologyFile(options.topology), only: options.only, listen: options.listen },
      ...{ restart: options.restart, root: ROOT, environment: process.env, clock: systemClock },
      stateDir: process.env.ANTIPODE_STATE_DIR || '.antipode',
      out: process.stdout,
      signal: endedBySignal(),
    });
  });

program
  .command('doctor')
  .description('say of each part whether it is fine, and what to do if not')
  .option('-c, --config <file>', `configuration file (default: ${DEFAULT_CONFIG_FILE} where it exists)`)
  .option('--json', 'print JSON')
  .action(async (options: { config?: string; json?: boolean }) => {
    const config = readConfig(options.config);
    const { doctor, printDoctorReport } = await import('./doctor.ts');
    const report = await doctor({ config, root: ROOT, environment: process.env });
    if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else printDoctorReport(report, process.stdout);
    process.exitCode = report.ok ? 0 : 1;
  });

program
  .command('services')
  .description('show the AI services that this node uses, and list those of the catalogue')
  .option('-c, --config <file>', `configuration file (default: ${DEFAULT_CONFIG_FILE} where it exists)`)
  .option('--kind <kind>', 'llm, stt, tts or s2s (default: all)')
  .option('--json', 'print JSON')
  .action(async (options: { config?: string; kind?: string; json?: boolean }) => {
    const { listServices, printServices, printUsed } = await import('./services-command.ts');
    const { loadCatalogue } = await import('./agent/services/catalogue/index.ts');
    const catalogue = loadCatalogue();
    const asked = { config: readConfig(options.config).services, environment: process.env };
    const services = listServices(catalogue, { ...asked, kind: options.kind });
    if (options.json) {
      process.stdout.write(`${JSON.stringify(services, null, 2)}\n`);
      return;
    }
    printUsed(catalogue, asked, process.stdout);
    printServices(services, process.stdout);
  });

program
  .command('call')
  .description('call an agent without a browser and measure it (antipode call --help)')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[arguments...]')
  .action(async () => {
    const { callMain } = await import('./call/index.ts');
    const argv = process.argv.slice(process.argv.indexOf('call') + 1);
    process.exitCode = await callMain(argv);
  });

program
  .command('eval')
  .description('test agents by calls that a file describes, typed or spoken (antipode eval --help)')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[arguments...]')
  .action(async () => {
    const { evalMain } = await import('./eval/index.ts');
    process.exitCode = await evalMain(process.argv.slice(process.argv.indexOf('eval') + 1));
  });

program
  .command('placement')
  .description('run placement over HTTP; or check a policy, explain, probe, simulate (placement --help)')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[arguments...]')
  .action(async () => {
    const argv = process.argv.slice(process.argv.indexOf('placement') + 1);
    const config = serviceConfigOf(argv);
    if (config !== null) return runRole('placement', config);
    const { placementMain } = await import('./placement-command.ts');
    process.exitCode = await placementMain(argv, { out: process.stdout, err: process.stderr });
  });

interface UpFlags {
  topology?: string;
  only?: string;
  restart: boolean;
  listen?: string;
  schema?: boolean;
}

async function dev(options: { config?: string }): Promise<void> {
  const startedMs = performance.now();
  const config = readConfig(options.config, { 'auth.openAgents': ['*'] });
  const pretty = config.log.pretty ?? process.stdout.isTTY === true;
  const log = createLogger({ level: config.log.level, pretty });
  const { startDev } = await import('./dev.ts');
  const workerBin = process.env.MEDIASOUP_WORKER_BIN || undefined;
  const pageDir = join(ROOT, 'dist/web');
  const server = await startDev({ config, clock: systemClock, log, workerBin, pageDir });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(`\nAntipode is listening on ${server.url} (ready in ${seconds} s)\n`);
  process.stdout.write(`  agents: ${server.core.agents.map((agent) => agent.name).join(', ')}\n`);
  for (const agent of server.core.agents) {
    for (const notice of agent.notices) process.stdout.write(`  ${agent.name}: ${notice.text}\n`);
  }
  process.stdout.write('  Open it in a browser, or try: npx antipode call --help. Ctrl-C ends it.\n\n');
  endOnSignal({ log, close: () => server.close({ code: 'node-shutdown', reason: 'The server is shutting down.' }) });
}

async function runRole(role: RoleName, options: { config?: string }): Promise<void> {
  const startedMs = performance.now();
  const { ROLE_DEFAULTS, runRole: run } = await import('./role-command.ts');
  const config = readConfig(options.config, ROLE_DEFAULTS[role]);
  await run({ role, config, pageDir: join(ROOT, 'dist/web'), startedMs });
}

/** Of `placement [serve] [--config FILE]`, which runs the service; null for its other commands. */
function serviceConfigOf(argv: readonly string[]): { config?: string } | null {
  const [first, second, ...more] = argv[0] === 'serve' ? argv.slice(1) : argv;
  if (first === undefined) return {};
  if ((first === '-c' || first === '--config') && second !== undefined && more.length === 0) return { config: second };
  const joined = /^--config=(.+)$/.exec(first)?.[1];
  return joined !== undefined && second === undefined ? { config: joined } : null;
}

function readConfig(file: string | undefined, defaults?: Readonly<Record<string, unknown>>) {
  return loadConfig({
    file: file ?? DEFAULT_CONFIG_FILE,
    fileRequired: file !== undefined,
    environment: process.env,
    defaults,
  });
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode;
  } else if (error instanceof AntipodeError) {
    process.stderr.write(`${error.code}: ${error.message}\n`);
    process.exitCode = 1;
  } else {
    throw error;
  }
}
