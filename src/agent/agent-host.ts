/**
 * The agents of a core: loads the modules of the agents folder, keeps what all calls share, starts agents on calls.
 * A module that cannot be loaded is reported and left out; the others work.
 */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { AgentDescription } from '../registry/index.ts';
import type { Logger, Registry, Tracing } from '../telemetry/index.ts';
import { LocalServices } from './agent-services.ts';
import { confine } from './confine.ts';
import { type AgentDefinition, checkAgentDefinition, describeAgent } from './define-agent.ts';
import { installEgressGuard } from './egress/index.ts';
import { type PriceRun, priceBy } from './observe/index.ts';
import { observed } from './observed-call.ts';
import { type RunningAgent, runAgent } from './running-agent.ts';
import { loadCatalogue } from './services/catalogue/index.ts';
import type { CallPorts, Leg } from './types.ts';
import { untilAborted } from './until-aborted.ts';

export interface AgentHostOptions {
  config: Config;
  clock: Clock;
  log: Logger;
  metrics: Registry;
  /** Traces of calls; none when absent or null. */
  tracing?: Tracing | null;
  /** Where keys and addresses of AI services are read. @defaultValue process.env */
  environment?: NodeJS.ProcessEnv;
}

export class AgentHost {
  readonly #log: Logger;
  readonly #services: LocalServices;
  readonly #definitions: ReadonlyMap<string, AgentDefinition>;
  /** What can be asked for here, for the registry and the page. */
  readonly agents: AgentDescription[];
  readonly #price: PriceRun = priceBy(loadCatalogue());
  readonly #tracing: Tracing | null;
  readonly #running = new Set<RunningAgent>();
  readonly #closing = new AbortController();
  readonly #prepared: Promise<void>;
  #closed: Promise<void> | null = null;
  readonly #uninstallGuard: () => void;

  private constructor(
    { log, tracing }: AgentHostOptions,
    services: LocalServices,
    loaded: readonly LoadedAgent[],
    uninstallGuard: () => void,
  ) {
    this.#log = log;
    this.#uninstallGuard = uninstallGuard;
    this.#tracing = tracing ?? null;
    this.#services = services;
    this.#definitions = new Map(loaded.map(({ definition }) => [definition.name, definition]));
    this.agents = loaded.map(({ description }) => description);
    this.#prepared = this.#prepare();
  }

  /**
   * Load every `*.ts` module of `config.core.agentsDir` (relative to the working folder).
   * @throws ERR_CONFIG_INVALID when the folder cannot be read
   * @throws ERR_SERVICE_UNAVAILABLE when the voice activity model cannot be loaded
   */
  static async load(options: AgentHostOptions): Promise<AgentHost> {
    const { config, clock, log, metrics, environment } = options;
    const folder = resolve(config.core.agentsDir);
    const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
      throw new AntipodeError('ERR_CONFIG_INVALID', `Agents cannot be read from ${folder}.`, {
        cause,
        path: 'core.agentsDir',
      });
    });
    const services = await LocalServices.load({ config: config.services, clock, log, metrics, environment });
    // Before the modules: what they keep of Node's is what the guard sees.
    const uninstallGuard = installEgressGuard();
    const loaded: LoadedAgent[] = [];
    for (const name of moduleNames(entries)) {
      try {
        const definition = checkAgentDefinition(await importDefault(join(folder, name), clock));
        if (loaded.some((other) => other.definition.name === definition.name)) {
          throw new AntipodeError('ERR_AGENT_INVALID', `name: "${definition.name}" is taken by another module`);
        }
        loaded.push({ definition, description: describeAgent(definition, services) });
      } catch (error) {
        const failure = asAntipodeError(error, 'ERR_AGENT_INVALID', `The module cannot be used: ${wordsOf(error)}`);
        services.metrics.invalidAgents.inc();
        log.error({ err: failure, code: failure.code, module: name }, 'an agent module was left out');
      }
    }
    return new AgentHost(options, services, loaded, uninstallGuard);
  }

  /** Calls with an agent on them. */
  get runningCount(): number {
    return this.#running.size;
  }

  /**
   * The services that a turn of this agent goes through.
   * @throws ERR_AGENT_UNKNOWN
   */
  legs(name: string): readonly Leg[] {
    return this.#definition(name).legs(this.#services);
  }

  /**
   * Start an agent on a call. It ends when `ports.signal` is aborted or by `close()`; one that cannot start hangs up.
   * @throws ERR_AGENT_UNKNOWN | ERR_SHUTTING_DOWN
   */
  start(name: string, ports: CallPorts): RunningAgent {
    const definition = this.#definition(name);
    if (this.#closed !== null) throw new AntipodeError('ERR_SHUTTING_DOWN', 'This core is shutting down.');
    const call = observed(ports, {
      agent: name,
      metrics: this.#services.metrics,
      price: this.#price,
      tracing: this.#tracing,
    });
    const held = confine(call, this.#services);
    const running = runAgent(definition, held.call, held.services, held.within);
    this.#running.add(running);
    void running.done.then(() => {
      this.#running.delete(running);
      held.release();
    });
    return running;
  }

  /** Resolves when the agents have made ready what calls will need; calls need not wait for it. */
  get prepared(): Promise<void> {
    return this.#prepared;
  }

  async #prepare(): Promise<void> {
    await Promise.all(
      [...this.#definitions.values()].map(async (definition) => {
        try {
          await definition.prepare?.(this.#services, this.#closing.signal);
        } catch (error) {
          if (this.#closing.signal.aborted) return;
          this.#log.warn({ err: error, agent: definition.name }, 'an agent could not prepare itself');
        }
      }),
    );
  }

  #definition(name: string): AgentDefinition {
    const definition = this.#definitions.get(name);
    if (definition === undefined) throw new AntipodeError('ERR_AGENT_UNKNOWN', `There is no agent "${name}".`);
    return definition;
  }

  /** Take every agent down and let go of what they share. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#closing.abort(new AntipodeError('ERR_SHUTTING_DOWN', 'This core is shutting down.'));
      await Promise.all([...this.#running].map((running) => running.close()));
      await this.#prepared;
      await this.#services.close();
      this.#uninstallGuard();
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

interface LoadedAgent {
  readonly definition: AgentDefinition;
  readonly description: AgentDescription;
}

function moduleNames(entries: readonly Dirent[]): string[] {
  return entries
    .filter((entry) => !entry.isDirectory() && /^[^.].*(?<!\.d|\.test)\.ts$/.test(entry.name))
    .map(({ name }) => name)
    .sort();
}

/** A module that waits for something at its top level has this long. */
const IMPORT_TIMEOUT_MS = 10_000;

async function importDefault(file: string, clock: Clock): Promise<unknown> {
  const controller = new AbortController();
  const timer = clock.setTimeout(() => {
    const words = `The module is not loaded after ${IMPORT_TIMEOUT_MS} ms: it waits for something at its top level.`;
    controller.abort(new AntipodeError('ERR_AGENT_INVALID', words));
  }, IMPORT_TIMEOUT_MS);
  // Node ends a process in which nothing but such a module is waited for, without a word.
  const alive = setInterval(() => {}, IMPORT_TIMEOUT_MS);
  try {
    const loading: Promise<{ default?: unknown }> = import(/* @vite-ignore */ pathToFileURL(file).href);
    return (await untilAborted(loading, controller.signal)).default;
  } catch (cause) {
    if (cause instanceof AntipodeError) throw cause;
    throw new AntipodeError('ERR_AGENT_INVALID', `The module cannot be loaded: ${wordsOf(cause)}`, { cause });
  } finally {
    timer.cancel();
    clearInterval(alive);
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
