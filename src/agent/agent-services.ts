/**
 * What agents may use, shared by all the calls of a process: the batched voice activity, the speech programs and the
 * AI services, each made at first use and closed once. Says of what is missing why and what to do.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import type { Logger, Registry } from '../telemetry/index.ts';
import { type AgentMetrics, agentMetrics } from './agent-metrics.ts';
import { findProgram } from './services/find-program.ts';
import { OpenAiLlm } from './services/llm/openai.ts';
import type { Llm } from './services/llm.ts';
import type { OrMissing } from './services/missing.ts';
import type { SpeechGrammar } from './services/stt/jsgf.ts';
import { OpenAiStt } from './services/stt/openai.ts';
import { PocketSphinx } from './services/stt/pocketsphinx.ts';
import type { Stt } from './services/stt.ts';
import { Flite } from './services/tts/flite.ts';
import { OpenAiTts } from './services/tts/openai.ts';
import type { Tts } from './services/tts.ts';
import { SileroModel } from './vad/silero.ts';
import { VAD_BATCHER_DEFAULTS, VadBatcher } from './vad/vad-batcher.ts';

/** The three legs by OpenAI, when there is a key. */
export interface OpenAiServices {
  readonly stt: Stt;
  readonly llm: Llm;
  readonly tts: Tts;
}

export interface AgentServices {
  readonly metrics: AgentMetrics;
  /** Voice activity for a call. */
  readonly vad: Pick<VadBatcher, 'open'>;
  /** Null without OPENAI_API_KEY. */
  readonly openai: OpenAiServices | null;
  /** Local speech. */
  readonly flite: OrMissing<Tts & Pick<Flite, 'prepare'>>;
  /** Local recognition of a grammar's sentences; made once for each grammar. */
  pocketsphinx(grammar: SpeechGrammar): OrMissing<Stt & Pick<PocketSphinx, 'prepare'>>;
}

export interface LoadServicesOptions {
  config: Config['services'];
  clock: Clock;
  log: Logger;
  metrics: Registry;
  /** Where programs are searched, as PATH. */
  searchPath?: string;
}

export const FLITE_MISSING =
  'The program flite is not installed on this core, so it has no voice of its own. Install it: apt-get install flite';
export const POCKETSPHINX_MISSING =
  'The program pocketsphinx is not installed on this core, so it understands no speech of its own. ' +
  'Install it: apt-get install pocketsphinx pocketsphinx-en-us';

export class LocalServices implements AgentServices {
  readonly metrics: AgentMetrics;
  readonly vad: VadBatcher;
  readonly openai: OpenAiServices | null;
  readonly flite: OrMissing<Flite>;
  readonly #options: LoadServicesOptions;
  readonly #model: SileroModel;
  readonly #hasPocketSphinx: boolean;
  readonly #recognizers = new Map<string, PocketSphinx>();

  private constructor(
    options: LoadServicesOptions,
    found: { model: SileroModel; metrics: AgentMetrics; flite: boolean; pocketsphinx: boolean },
  ) {
    const { config, clock, log } = options;
    this.#options = options;
    this.#model = found.model;
    this.#hasPocketSphinx = found.pocketsphinx;
    this.metrics = found.metrics;
    this.vad = new VadBatcher({
      model: found.model,
      log,
      runSeconds: this.metrics.vadRunSeconds,
      batchSize: this.metrics.vadBatchSize,
      failures: this.metrics.vadFailures,
    });
    this.flite = found.flite ? new Flite({ ...config.flite, clock }) : { missing: FLITE_MISSING };
    const openai = { settings: config.openai, clock };
    this.openai =
      config.openai.apiKey === null
        ? null
        : { stt: new OpenAiStt(openai), llm: new OpenAiLlm(openai), tts: new OpenAiTts(openai) };
  }

  /** @throws ERR_SERVICE_UNAVAILABLE when the voice activity model cannot be loaded: no agent could listen */
  static async load(options: LoadServicesOptions): Promise<LocalServices> {
    const { flite, pocketsphinx } = options.config;
    const searchPath = options.searchPath ?? process.env.PATH ?? '';
    const [model, fliteProgram, pocketsphinxProgram, hasModel] = await Promise.all([
      SileroModel.load({ maxBatch: VAD_BATCHER_DEFAULTS.maxBatch }),
      findProgram(flite.command, searchPath),
      findProgram(pocketsphinx.command, searchPath),
      access(join(pocketsphinx.modelDir, 'cmudict-en-us.dict')).then(
        () => true,
        () => false,
      ),
    ]);
    return new LocalServices(options, {
      model,
      metrics: agentMetrics(options.metrics),
      flite: fliteProgram !== null,
      pocketsphinx: pocketsphinxProgram !== null && hasModel,
    });
  }

  pocketsphinx(grammar: SpeechGrammar): OrMissing<PocketSphinx> {
    if (!this.#hasPocketSphinx) return { missing: POCKETSPHINX_MISSING };
    let recognizer = this.#recognizers.get(grammar.jsgf);
    if (recognizer === undefined) {
      const { config, clock, log } = this.#options;
      recognizer = new PocketSphinx({ ...config.pocketsphinx, grammar, clock, log });
      this.#recognizers.set(grammar.jsgf, recognizer);
    }
    return recognizer;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const recognizers = [...this.#recognizers.values()];
    this.#recognizers.clear();
    await Promise.all([this.vad.close(), ...recognizers.map((recognizer) => recognizer.close())]);
    await this.#model.close();
  }
}
