/**
 * What agents may use, shared by all the calls of a process: the batched voice activity, the model of turns, the speech
 * programs and the AI services that are chosen. Made once and closed once. Says of what is missing why and what to do.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import type { Logger, Registry } from '../telemetry/index.ts';
import { type AgentMetrics, agentMetrics } from './agent-metrics.ts';
import {
  type AgentStack,
  ChosenS2s,
  type ConfinedStack,
  ConfinedStacks,
  chooseServices,
  MeteredStt,
  MeteredTts,
  ServiceStack,
  type StackAddress,
  servicesEnvironment,
} from './services/book/index.ts';
import { type Catalogue, type Environment, loadCatalogue } from './services/catalogue/index.ts';
import { findProgram } from './services/find-program.ts';
import type { OrMissing } from './services/missing.ts';
import type { S2s } from './services/s2s.ts';
import type { SpeechGrammar } from './services/stt/jsgf.ts';
import { PocketSphinx } from './services/stt/pocketsphinx.ts';
import type { Stt } from './services/stt.ts';
import { Flite } from './services/tts/flite.ts';
import type { Tts } from './services/tts.ts';
import { SmartTurn } from './turn-taking/smart-turn/smart-turn.ts';
import { findSmartTurnWeights } from './turn-taking/smart-turn/weights.ts';
import { SileroModel } from './vad/silero.ts';
import { VAD_BATCHER_DEFAULTS, VadBatcher } from './vad/vad-batcher.ts';

/** A local voice, told to whoever watches, that can make sentences ready. */
export type LocalVoice = Tts & Pick<Flite, 'prepare'>;
/** Local recognition of a grammar's sentences, told to whoever watches. */
export type LocalRecognizer = Stt & Pick<PocketSphinx, 'prepare'>;

export interface AgentServices {
  readonly metrics: AgentMetrics;
  readonly catalogue: Catalogue;
  /** Voice activity for a call. */
  readonly vad: Pick<VadBatcher, 'open'>;
  /** Whether a caller has finished, by the sound; null without its weights, and until it is loaded. */
  readonly smartTurn: Pick<SmartTurn, 'probability'> | null;
  /** The chosen services; null when there are none, and agents use the programs below. */
  readonly stack: AgentStack | null;
  /** Hears and speaks by itself; null when there is none. */
  readonly s2s: S2s | null;
  /** Local speech. */
  readonly flite: OrMissing<LocalVoice>;
  /** Local recognition of a grammar's sentences; made once for each grammar. */
  pocketsphinx(grammar: SpeechGrammar): OrMissing<LocalRecognizer>;
}

export interface LoadServicesOptions {
  config: Config['services'];
  clock: Clock;
  log: Logger;
  metrics: Registry;
  /** Where keys and addresses of services are read, OpenAI's apart. @defaultValue process.env */
  environment?: Environment;
  /** Where programs are searched, as PATH. */
  searchPath?: string;
}

export const FLITE_MISSING =
  'The program flite is not installed on this core, so it has no voice of its own. Install it: apt-get install flite';
export const POCKETSPHINX_MISSING =
  'The program pocketsphinx is not installed on this core, so it understands no speech of its own. ' +
  'Install it: apt-get install pocketsphinx pocketsphinx-en-us';

/** A program with the meter of its runs; the catalogue knows no programs. */
const LOCAL = { model: null, region: 'local' } as const;

export class LocalServices implements AgentServices {
  readonly metrics: AgentMetrics;
  readonly catalogue: Catalogue;
  readonly vad: VadBatcher;
  readonly stack: ServiceStack | null;
  readonly s2s: S2s | null;
  readonly flite: OrMissing<LocalVoice>;
  readonly #options: LoadServicesOptions;
  readonly #model: SileroModel;
  readonly #hasPocketSphinx: boolean;
  readonly #recognizers = new Map<string, { program: PocketSphinx; metered: LocalRecognizer }>();
  readonly #confined: ConfinedStacks | null;
  readonly #s2s: ChosenS2s;
  readonly #loadingSmartTurn: Promise<void>;
  #smartTurn: SmartTurn | null = null;
  #closing: Promise<void> | null = null;

  private constructor(options: LoadServicesOptions, found: Found) {
    this.#options = options;
    this.#model = found.model;
    this.#hasPocketSphinx = found.pocketsphinx;
    this.metrics = found.metrics;
    this.catalogue = found.catalogue;
    this.flite = found.flite;
    this.stack = found.stack;
    this.#confined = found.confined;
    this.#s2s = found.s2s;
    this.s2s = found.s2s.all;
    this.vad = new VadBatcher({
      model: found.model,
      log: options.log,
      runSeconds: this.metrics.vadRunSeconds,
      batchSize: this.metrics.vadBatchSize,
      failures: this.metrics.vadFailures,
    });
    this.#loadingSmartTurn = this.#loadSmartTurn();
  }

  /**
   * @throws ERR_CONFIG_INVALID when a chosen service is none or cannot work here, with its path
   * @throws ERR_SERVICE_UNAVAILABLE when the voice activity model cannot be loaded: no agent could listen
   */
  static async load(options: LoadServicesOptions): Promise<LocalServices> {
    const { config, clock, log } = options;
    const catalogue = loadCatalogue();
    const chosen = chooseServices(config, catalogue);
    const searchPath = options.searchPath ?? process.env.PATH ?? '';
    const [fliteProgram, pocketsphinxProgram, hasModel] = await Promise.all([
      findProgram(config.flite.command, searchPath),
      findProgram(config.pocketsphinx.command, searchPath),
      access(join(config.pocketsphinx.modelDir, 'cmudict-en-us.dict')).then(
        () => true,
        () => false,
      ),
    ]);
    const metrics = agentMetrics(options.metrics);
    const program = fliteProgram === null ? null : new Flite({ ...config.flite, clock });
    const environment = servicesEnvironment(config, options.environment ?? process.env);
    const flite = program ?? { missing: FLITE_MISSING };
    const hedge = { llmAfterMs: config.hedge.llm.afterMs, ttsAfterMs: config.hedge.tts.afterMs };
    const stackOptions = { chosen, environment, flite, clock, log, metrics: metrics.services, hedge };
    const isEmpty = chosen.llm.length === 0;
    const stack = isEmpty ? null : new ServiceStack(stackOptions);
    return new LocalServices(options, {
      model: await SileroModel.load({ maxBatch: VAD_BATCHER_DEFAULTS.maxBatch }),
      metrics,
      catalogue,
      stack,
      confined: isEmpty ? null : new ConfinedStacks(stackOptions),
      s2s: new ChosenS2s(chosen.s2s, { environment, clock, log, metrics: metrics.services }),
      flite: program === null ? { missing: FLITE_MISSING } : meteredFlite(program, clock),
      pocketsphinx: pocketsphinxProgram !== null && hasModel,
    });
  }

  get smartTurn(): SmartTurn | null {
    return this.#smartTurn;
  }

  /** Resolves when the model of turns is loaded, or is known to be missing; calls need not wait for it. */
  get loaded(): Promise<void> {
    return this.#loadingSmartTurn;
  }

  /**
   * These services for a session that must stay within some endpoints, the preferred first. Where this node has none of a
   * kind within them, who asks for `stack` gets ERR_PLACEMENT_RESIDENCY; an agent that needs no such services works.
   */
  within(endpoints: readonly string[]): ConfinedServices {
    const { held, failure } = this.#held(endpoints);
    const { metrics, catalogue, vad, smartTurn, flite } = this;
    const pocketsphinx = (grammar: SpeechGrammar) => this.pocketsphinx(grammar);
    const { s2s, addresses } = this.#s2s.within(endpoints);
    const services = { metrics, catalogue, vad, smartTurn, flite, pocketsphinx, s2s };
    return {
      services: {
        ...services,
        get stack() {
          if (failure !== null) throw failure;
          return held?.stack ?? null;
        },
      },
      addresses: [...(held?.stack.addresses ?? []), ...addresses],
      release: () => held?.release(),
    };
  }

  #held(endpoints: readonly string[]): { held: ConfinedStack | null; failure: unknown } {
    try {
      return { held: this.#confined?.acquire(endpoints) ?? null, failure: null };
    } catch (failure) {
      return { held: null, failure };
    }
  }

  /** Where the services of this node are, all of them. */
  get addresses(): readonly StackAddress[] {
    return [...(this.stack?.addresses ?? []), ...this.#s2s.addresses];
  }

  pocketsphinx(grammar: SpeechGrammar): OrMissing<LocalRecognizer> {
    if (!this.#hasPocketSphinx) return { missing: POCKETSPHINX_MISSING };
    let recognizer = this.#recognizers.get(grammar.jsgf);
    if (recognizer === undefined) {
      const { config, clock, log } = this.#options;
      const program = new PocketSphinx({ ...config.pocketsphinx, grammar, clock, log });
      const metered = new MeteredStt(program, { ...LOCAL, service: program.name, clock });
      recognizer = { program, metered: Object.assign(metered, { prepare: () => program.prepare() }) };
      this.#recognizers.set(grammar.jsgf, recognizer);
    }
    return recognizer.metered;
  }

  async #loadSmartTurn(): Promise<void> {
    const { clock, log, metrics } = this.#options;
    try {
      const weights = await findSmartTurnWeights();
      if (this.#closing !== null) return;
      if ('missing' in weights) {
        log.info({ reason: weights.missing }, 'Smart Turn is not used');
        return;
      }
      const model = await SmartTurn.load({ ...weights, clock, log, metrics });
      if (this.#closing !== null) await model.close();
      else this.#smartTurn = model;
    } catch (error) {
      log.warn({ err: error }, 'Smart Turn cannot be loaded: turns end by silence alone');
    }
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const recognizers = [...this.#recognizers.values()];
    this.#recognizers.clear();
    this.stack?.close();
    this.#confined?.close();
    await Promise.all([
      this.vad.close(),
      ...recognizers.map(({ program }) => program.close()),
      this.#loadingSmartTurn.then(() => this.#smartTurn?.close()),
    ]);
    await this.#model.close();
  }
}

export interface ConfinedServices {
  readonly services: AgentServices;
  /** All that they may connect to. */
  readonly addresses: readonly StackAddress[];
  /** The session is over. Idempotent. */
  release(): void;
}

interface Found {
  readonly model: SileroModel;
  readonly metrics: AgentMetrics;
  readonly catalogue: Catalogue;
  readonly stack: ServiceStack | null;
  readonly confined: ConfinedStacks | null;
  readonly s2s: ChosenS2s;
  readonly flite: OrMissing<LocalVoice>;
  readonly pocketsphinx: boolean;
}

function meteredFlite(program: Flite, clock: Clock): LocalVoice {
  const metered = new MeteredTts(program, { ...LOCAL, service: program.name, clock });
  return Object.assign(metered, {
    prepare: (sentences: Iterable<string>, signal: AbortSignal) => program.prepare(sentences, signal),
  });
}
