/**
 * Agents for calls that are typed: their own modules with the services of the configuration, of which only those of sound
 * are put aside. The language model and the tools are the real ones; nothing is spoken, and nothing is paid for speech.
 * Made once for a configuration and closed once.
 */
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LocalServices } from '../agent/agent-services.ts';
import { type AgentDefinition, checkAgentDefinition } from '../agent/define-agent.ts';
import type { AgentServices, Stt, Tts } from '../agent/index.ts';
import { priceBy } from '../agent/observe/index.ts';
import { observed } from '../agent/observed-call.ts';
import { type RunningAgent, runAgent } from '../agent/running-agent.ts';
import type { CallPorts } from '../agent/types.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import { createMetrics, type Logger } from '../telemetry/index.ts';

export interface TypedAgentsOptions {
  readonly config: Config;
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Hz and milliseconds of the silence that stands for a sentence. */
const SILENCE_RATE = 16_000;
const SILENCE_MS = 20;

const silentVoice: Tts & { prepare(): Promise<void> } = {
  name: 'silent',
  async *synthesize(_, { signal }) {
    signal.throwIfAborted();
    yield { pcm: new Int16Array((SILENCE_RATE * SILENCE_MS) / 1_000), sampleRate: SILENCE_RATE };
  },
  prepare: async () => {},
};

const deafEar: Stt & { prepare(): Promise<void> } = {
  name: 'deaf',
  listen() {
    throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'A typed call has no sound.');
  },
  prepare: async () => {},
};

export class TypedAgents {
  readonly #options: TypedAgentsOptions;
  readonly #local: LocalServices;
  readonly #services: AgentServices;
  readonly #definitions = new Map<string, Promise<AgentDefinition>>();
  readonly #closing = new AbortController();
  readonly #price;

  private constructor(options: TypedAgentsOptions, local: LocalServices) {
    this.#options = options;
    this.#local = local;
    this.#services = withoutSound(local);
    this.#price = priceBy(local.catalogue);
  }

  /** @throws ERR_CONFIG_INVALID when a chosen service cannot work here, with its path */
  static async load(options: TypedAgentsOptions): Promise<TypedAgents> {
    const { config, environment, clock, log } = options;
    const metrics = createMetrics({ processMetrics: false });
    return new TypedAgents(
      options,
      await LocalServices.load({ config: config.services, clock, log, metrics, environment }),
    );
  }

  /** @throws ERR_AGENT_UNKNOWN, ERR_AGENT_INVALID with what is wrong with its module */
  async start(name: string, ports: CallPorts): Promise<RunningAgent> {
    const definition = await this.#definition(name);
    const { metrics } = this.#services;
    const call = observed(ports, { agent: name, metrics, price: this.#price, tracing: null });
    return runAgent(definition, call, this.#services);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#local.close();
  }

  #definition(name: string): Promise<AgentDefinition> {
    const known = this.#definitions.get(name) ?? this.#load(name);
    this.#definitions.set(name, known);
    return known;
  }

  async #load(name: string): Promise<AgentDefinition> {
    const definition = await findAgent(resolve(this.#options.config.core.agentsDir), name);
    await definition.prepare?.(this.#services, this.#closing.signal);
    return definition;
  }
}

/** The agent of that name among the modules of a folder; its own file is looked into first. */
async function findAgent(folder: string, name: string): Promise<AgentDefinition> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    const words = `Agents cannot be read from ${folder}.`;
    throw new AntipodeError('ERR_CONFIG_INVALID', words, { cause, path: 'core.agentsDir' });
  });
  const files = entries
    .filter((entry) => !entry.isDirectory() && /^[^.].*(?<!\.d|\.test)\.ts$/.test(entry.name))
    .map((entry) => entry.name)
    .sort((one, other) => Number(other === `${name}.ts`) - Number(one === `${name}.ts`));
  const broken: string[] = [];
  for (const file of files) {
    try {
      const module: { default?: unknown } = await import(/* @vite-ignore */ pathToFileURL(join(folder, file)).href);
      const definition = checkAgentDefinition(module.default);
      if (definition.name === name) return definition;
    } catch (error) {
      broken.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const code = broken.length > 0 ? 'ERR_AGENT_INVALID' : 'ERR_AGENT_UNKNOWN';
  throw new AntipodeError(code, [`There is no agent "${name}" in ${folder}.`, ...broken].join('\n  '));
}

function withoutSound(local: LocalServices): AgentServices {
  const { metrics, catalogue, vad, s2s, stack } = local;
  return {
    ...{ metrics, catalogue, vad, s2s, smartTurn: null, flite: silentVoice, pocketsphinx: () => deafEar },
    stack:
      stack === null
        ? null
        : {
            ...{ stt: deafEar, llm: stack.llm, tts: silentVoice, turnDetector: null },
            ...{ legs: stack.legs, names: stack.names, warm: () => stack.warm() },
            hedged: (hedge) => ({ llm: stack.hedged(hedge).llm, tts: silentVoice }),
          },
  };
}
