#!/usr/bin/env node
/**
 * The command line: `antipode dev | call | doctor | placement | services`. Owns arguments, exit codes, signals and the
 * words that a person sees; each command's work lives in its own folder and is loaded when it is asked for.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { systemClock } from './clock.ts';
import { loadConfig } from './config/index.ts';
import { AntipodeError } from './errors.ts';
import { createLogger, type Logger } from './telemetry/index.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const DEFAULT_CONFIG_FILE = 'antipode.yaml';
/** A shutdown that takes longer is cut short, loudly. */
const SHUTDOWN_LIMIT_MS = 8_000;

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
  .command('placement')
  .description('check a placement policy, explain where a session would run, simulate a planet (placement --help)')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[arguments...]')
  .action(async () => {
    const { placementMain } = await import('./placement-command.ts');
    const argv = process.argv.slice(process.argv.indexOf('placement') + 1);
    process.exitCode = await placementMain(argv, { out: process.stdout, err: process.stderr });
  });

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
  endOnSignal(log, () => server.close({ code: 'node-shutdown', reason: 'The server is shutting down.' }));
}

/** One signal may arrive by several ways (the terminal, npm, us): all after the first are that first one. */
function endOnSignal(log: Logger, close: () => Promise<void>): void {
  let ending = false;
  const end = (signal: NodeJS.Signals): void => {
    if (ending) return;
    ending = true;
    log.info({ signal }, 'shutting down');
    setTimeout(() => {
      log.error({ limitMs: SHUTDOWN_LIMIT_MS }, 'the shutdown took too long and was cut short');
      process.exit(1);
    }, SHUTDOWN_LIMIT_MS).unref();
    close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'the shutdown failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
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
