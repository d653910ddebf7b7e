/**
 * Runs evals under one configuration: a call for each repeat, then the checks. Owns what the calls share (agents, language
 * models, the server for spoken calls), made when it is first needed.
 */
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import { type Check, checkCall, checkLatency, checkTurn } from './checks.ts';
import type { CallRecord, EvalCall } from './eval-call.ts';
import { holdCall, type NextWords, scriptedWords } from './hold-call.ts';
import { judgeCall } from './judge-call.ts';
import { LanguageModels } from './language-models.ts';
import { playedWords } from './played-caller.ts';
import type { Eval } from './read-evals.ts';
import { type EvalResult, latencyOf, type RunResult } from './results.ts';
import { checkSound } from './sounds-like.ts';
import { TypedAgents } from './typed-agents.ts';
import { TypedCall } from './typed-call.ts';
import type { VoiceStudio } from './voice-studio.ts';

export interface EvalRunnerOptions {
  readonly config: Config;
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Logger;
  /** Server that spoken calls go to; null: one of their own. */
  readonly url: string | null;
  readonly apiKey: string | null;
  /** Ends the call that runs. */
  readonly signal: AbortSignal;
}

/** Longest wait for an answer. */
const ANSWER_MS = 60_000;

export class EvalRunner {
  readonly #options: EvalRunnerOptions;
  readonly #models: LanguageModels;
  #agents: Promise<TypedAgents> | null = null;
  #studio: Promise<VoiceStudio> | null = null;

  constructor(options: EvalRunnerOptions) {
    this.#options = options;
    this.#models = new LanguageModels(options);
  }

  /** @throws the signal's reason; an eval that fails, whatever the cause, is a result */
  async run(each: Eval): Promise<EvalResult> {
    const runs: RunResult[] = [];
    for (let repeat = 0; repeat < each.repeats; repeat++) {
      this.#options.signal.throwIfAborted();
      runs.push(await this.#runOnce(each));
    }
    this.#options.signal.throwIfAborted();
    const latency = latencyOf(runs.map(({ record }) => record));
    const checks = each.expect.latency ? checkLatency(each.expect.latency, latency) : [];
    const passes = runs.filter(({ passed }) => passed).length;
    // A share such as 0.7 of 10 is 7.000000000000001 in binary.
    const enough = passes >= each.passShare * each.repeats - 1e-9;
    return { eval: each, passed: enough && checks.every(({ problem }) => problem === null), runs, latency, checks };
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const agents = this.#agents;
    const studio = this.#studio;
    this.#agents = null;
    this.#studio = null;
    // What could not be made has failed its evals already.
    await agents?.then(
      (made) => made.close(),
      () => {},
    );
    await studio?.then(
      (made) => made.close(),
      () => {},
    );
    await this.#models.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #runOnce(each: Eval): Promise<RunResult> {
    const { clock, signal } = this.#options;
    const limit = new AbortController();
    const timer = clock.setTimeout(() => {
      limit.abort(new AntipodeError('ERR_CALL_FAILED', `the call was not over after ${each.limitMs / 1_000} s`));
    }, each.limitMs);
    const until = AbortSignal.any([signal, limit.signal]);
    let record: CallRecord;
    try {
      const words = this.#wordsOf(each, until);
      record = await holdCall(await this.#call(each, until), words);
    } catch (error) {
      record = noCall(error);
    } finally {
      timer.cancel();
    }
    const checks = await this.#check(each, record, signal);
    return { passed: record.failure === null && checks.every(({ problem }) => problem === null), checks, record };
  }

  #wordsOf({ caller }: Eval, signal: AbortSignal): NextWords {
    if (caller.kind === 'scripted') return scriptedWords(caller);
    return playedWords({ caller, llm: this.#models.get(caller.service), clock: this.#options.clock, signal });
  }

  async #call(each: Eval, signal: AbortSignal): Promise<EvalCall> {
    const { clock, log } = this.#options;
    if (each.mode === 'voice') {
      this.#studio ??= import('./voice-studio.ts').then(({ VoiceStudio }) => VoiceStudio.open(this.#options));
      const studio = await this.#studio;
      return studio.call({ agent: each.agent, voice: each.voice, answerMs: ANSWER_MS, signal });
    }
    this.#agents ??= TypedAgents.load(this.#options);
    return new TypedCall({ agents: await this.#agents, agent: each.agent, clock, log, answerMs: ANSWER_MS, signal });
  }

  async #check({ caller, expect, judgeService }: Eval, record: CallRecord, signal: AbortSignal): Promise<Check[]> {
    const { clock, config, log } = this.#options;
    const checks: Check[] = [];
    // Of a call that was never held there is nothing to say but why.
    if (record.failure !== null && record.lines.length === 0) return checks;
    for (const [index, turn] of (caller.kind === 'scripted' ? caller.turns : []).entries()) {
      if (!turn.expect) continue;
      checks.push(...checkTurn(turn.expect, record, index + 1));
      if (!turn.expect.sounds) continue;
      const sound = record.turns[index]?.sound ?? null;
      const asked = { expect: turn.expect.sounds, sound, config: config.services.pocketsphinx, clock, log, signal };
      checks.push(await checkSound({ ...asked, path: `turns.${index}.sounds` }));
    }
    checks.push(...checkCall(expect, record));
    if (expect.judge && judgeService !== null) {
      const { criteria } = expect.judge;
      try {
        checks.push(...(await judgeCall({ criteria, record, llm: this.#models.get(judgeService), clock, signal })));
      } catch (error) {
        const { code, message } = asFailure(error);
        checks.push({ path: 'call.judge', expected: 'a verdict', problem: `${code}: ${message}` });
      }
    }
    return checks;
  }
}

function asFailure(error: unknown): AntipodeError {
  return asAntipodeError(error, 'ERR_CALL_FAILED', error instanceof Error ? error.message : String(error));
}

function noCall(error: unknown): CallRecord {
  const { code, message } = asFailure(error);
  const nothing = {
    turns: [],
    lines: [],
    tools: [],
    notices: [],
    endedBy: null,
    durationMs: 0,
    audio: null,
    callerLateMs: null,
  };
  return { ...nothing, failure: { code, message } };
}
