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
import type { Logger, Registry } from '../telemetry/index.ts';
import { LocalServices } from './agent-services.ts';
import { type AgentDefinition, checkAgentDefinition } from './define-agent.ts';
import { observed } from './observed-call.ts';
import { type RunningAgent, runAgent } from './running-agent.ts';
import type { CallPorts, Leg } from './types.ts';

export interface AgentHostOptions {
  config: Config;
  clock: Clock;
  log: Logger;
  metrics: Registry;
}

export class AgentHost {
  readonly #log: Logger;
  readonly #services: LocalServices;
  readonly #definitions: ReadonlyMap<string, AgentDefinition>;
  /** What can be asked for here, for the registry and the page. */
  readonly agents: AgentDescription[];
  readonly #running = new Set<RunningAgent>();
  readonly #closing = new AbortController();
  readonly #prepared: Promise<void>;
  #closed: Promise<void> | null = null;

  private constructor(log: Logger, services: LocalServices, loaded: readonly LoadedAgent[]) {
    this.#log = log;
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
    const { config, clock, log, metrics } = options;
    const folder = resolve(config.core.agentsDir);
    const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
      throw new AntipodeError('ERR_CONFIG_INVALID', `Agents cannot be read from ${folder}.`, {
        cause,
        path: 'core.agentsDir',
      });
    });
    const services = await LocalServices.load({ config: config.services, clock, log, metrics });
    const loaded: LoadedAgent[] = [];
    for (const name of moduleNames(entries)) {
      try {
        const definition = checkAgentDefinition(await importDefault(join(folder, name)));
        if (loaded.some((other) => other.definition.name === definition.name)) {
          throw new AntipodeError('ERR_AGENT_INVALID', `name: "${definition.name}" is taken by another module`);
        }
        loaded.push({ definition, description: describe(definition, services) });
      } catch (error) {
        const failure = asAntipodeError(error, 'ERR_AGENT_INVALID', 'The module cannot be loaded.');
        services.metrics.invalidAgents.inc();
        log.error({ err: failure, code: failure.code, module: name }, 'an agent module was left out');
      }
    }
    return new AgentHost(log, services, loaded);
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
    const running = runAgent(definition, observed(ports, this.#services.metrics), this.#services);
    this.#running.add(running);
    void running.done.then(() => this.#running.delete(running));
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

function describe(definition: AgentDefinition, services: LocalServices): AgentDescription {
  return {
    name: definition.name,
    title: definition.title,
    description: definition.description,
    notices: [...(definition.notices?.(services) ?? [])],
    examples: [...definition.examples],
  };
}

function moduleNames(entries: readonly Dirent[]): string[] {
  return entries
    .filter((entry) => !entry.isDirectory() && /^[^.].*(?<!\.d|\.test)\.ts$/.test(entry.name))
    .map(({ name }) => name)
    .sort();
}

async function importDefault(file: string): Promise<unknown> {
  try {
    const module: { default?: unknown } = await import(/* @vite-ignore */ pathToFileURL(file).href);
    return module.default;
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new AntipodeError('ERR_AGENT_INVALID', `The module cannot be loaded: ${words}`, { cause });
  }
}
