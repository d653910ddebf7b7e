/**
 * One speech to text out of several: an utterance's sound is kept while it is spoken, and when the service fails the
 * next one is given all of it at once. A service's failure is known when the words are asked for.
 */
import type { Clock } from '../../../clock.ts';
import { AntipodeError, asAntipodeError } from '../../../errors.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { untilAborted } from '../../until-aborted.ts';
import type { Stt, SttListenOptions, SttUtterance, Transcription } from '../stt.ts';
import { lostConnection } from './failure.ts';
import { type Candidate, ServiceLine, type ServiceLineOptions } from './service-line.ts';
import { SilenceError } from './silence.ts';

export interface ResilientSttOptions extends Omit<ServiceLineOptions<Stt>, 'kind'> {
  /** Sound that is kept of an utterance; of a longer one the latest. */
  maxKeptMs?: number;
}

export const RESILIENT_STT_DEFAULTS = { maxKeptMs: 60_000 } as const;

interface Keeping {
  clock: Clock;
  log: Logger;
  maxKeptMs: number;
}

export class ResilientStt implements Stt {
  readonly #line: ServiceLine<Stt>;
  readonly #options: Keeping;

  constructor(options: ResilientSttOptions) {
    this.#line = new ServiceLine({ kind: 'stt', ...options });
    this.#options = { ...RESILIENT_STT_DEFAULTS, ...options };
  }

  get name(): string {
    return this.#line.label;
  }

  listen(options: SttListenOptions): SttUtterance {
    return new Utterance(this.#line, options, this.#options);
  }
}

/** An utterance at one service. */
interface Hearing {
  readonly candidate: Candidate<Stt>;
  /** Or why the service does not listen at all. */
  readonly utterance: SttUtterance | AntipodeError;
  readonly giveUp: AbortController;
}

class Utterance implements SttUtterance {
  readonly #line: ServiceLine<Stt>;
  readonly #listen: SttListenOptions;
  readonly #options: Keeping;
  readonly #onAbort: () => void;
  /** Where the service that listens can be asked in the middle. */
  readonly ask?: () => Promise<boolean>;
  #kept: Int16Array[] = [];
  #keptSamples = 0;
  #isCut = false;
  #hearing: Hearing | null = null;
  #over = false;

  constructor(line: ServiceLine<Stt>, listen: SttListenOptions, options: Keeping) {
    this.#line = line;
    this.#listen = listen;
    this.#options = options;
    this.#onAbort = () => this.close();
    const candidate = line.take(0);
    if (candidate !== null) this.#hearing = this.#ask(candidate);
    const utterance = this.#hearing?.utterance;
    if (utterance !== undefined && 'ask' in utterance) this.ask = () => utterance.ask?.() ?? Promise.resolve(false);
    if (listen.signal.aborted) this.close();
    else listen.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  write(pcm: Int16Array): void {
    if (this.#over) return;
    this.#keep(pcm);
    const utterance = this.#hearing?.utterance;
    if (utterance !== undefined && !(utterance instanceof AntipodeError)) utterance.write(pcm);
  }

  async finish(): Promise<Transcription> {
    const { signal } = this.#listen;
    signal.throwIfAborted();
    if (this.#over) throw new AntipodeError('ERR_SERVICE_FAILED', 'The utterance was given up.');
    let mayTryAgain = true;
    try {
      // All were left alone when the caller began to speak; one may have come back.
      this.#hearing ??= this.#askFrom(0);
      for (;;) {
        const { candidate } = this.#hearing;
        try {
          const words = await this.#words(this.#hearing);
          candidate.attempt.succeeded();
          return words;
        } catch (error) {
          if (signal.aborted) throw signal.reason;
          if (this.#over) throw error;
          const failure = asAntipodeError(error, 'ERR_SERVICE_FAILED', `${candidate.endpoint.label} failed.`);
          this.#letGo(this.#hearing);
          if (mayTryAgain && lostConnection(failure)) {
            mayTryAgain = false;
            this.#hearing = this.#askAgain(candidate);
            continue;
          }
          this.#line.failed(candidate, failure);
          const next = this.#line.take(candidate.index + 1);
          if (next === null) throw failure;
          this.#line.failedOver(candidate, next, failure, this.#listen.watch);
          this.#hearing = this.#askAgain(next);
        }
      }
    } finally {
      this.close();
    }
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#listen.signal.removeEventListener('abort', this.#onAbort);
    this.#kept = [];
    if (this.#hearing === null) return;
    this.#letGo(this.#hearing);
    this.#hearing.candidate.attempt.abandoned();
  }

  #keep(pcm: Int16Array): void {
    this.#kept.push(pcm.slice());
    this.#keptSamples += pcm.length;
    const max = (this.#options.maxKeptMs * EAR_SAMPLE_RATE) / 1_000;
    while (this.#keptSamples > max && this.#kept.length > 1) {
      this.#keptSamples -= this.#kept.shift()!.length;
      this.#isCut = true;
    }
  }

  #askFrom(index: number): Hearing {
    const candidate = this.#line.take(index);
    if (candidate === null) throw this.#line.noneLeft();
    return this.#askAgain(candidate);
  }

  /** Begin an utterance at a service. */
  #ask(candidate: Candidate<Stt>): Hearing {
    const { signal, onInterim, watch } = this.#listen;
    const giveUp = new AbortController();
    // Of one that is given what was kept it is not known where that begins.
    const isWhole = !this.#isCut;
    let utterance: Hearing['utterance'];
    try {
      utterance = candidate.endpoint.service.listen({
        signal: AbortSignal.any([signal, giveUp.signal]),
        onInterim: (text, heardMs) => {
          if (!this.#over && this.#hearing?.giveUp === giveUp) onInterim?.(text, isWhole ? heardMs : undefined);
        },
        watch,
      });
    } catch (error) {
      utterance = asAntipodeError(error, 'ERR_SERVICE_FAILED', `${candidate.endpoint.label} does not listen.`);
    }
    return { candidate, utterance, giveUp };
  }

  /** As `#ask`, with all that was said up to now. */
  #askAgain(candidate: Candidate<Stt>): Hearing {
    const hearing = this.#ask(candidate);
    if (hearing.utterance instanceof AntipodeError) return hearing;
    if (this.#isCut) {
      const { log, maxKeptMs } = this.#options;
      log.warn({ service: candidate.endpoint.label, maxKeptMs }, 'the beginning of a long utterance was not kept');
    }
    for (const pcm of this.#kept) hearing.utterance.write(pcm);
    return hearing;
  }

  /** The words of a service, if they come while another one would have to take over. */
  async #words({ candidate, utterance, giveUp }: Hearing): Promise<Transcription> {
    if (utterance instanceof AntipodeError) throw utterance;
    const patienceMs = this.#line.patienceMs(candidate);
    const { signal } = this.#listen;
    const timer =
      patienceMs === null
        ? null
        : this.#options.clock.setTimeout(
            () => giveUp.abort(new SilenceError(candidate.endpoint.label, patienceMs)),
            patienceMs,
          );
    try {
      return await untilAborted(utterance.finish(), AbortSignal.any([signal, giveUp.signal]));
    } finally {
      timer?.cancel();
    }
  }

  #letGo({ utterance, giveUp }: Hearing): void {
    giveUp.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The utterance was given up.'));
    if (!(utterance instanceof AntipodeError)) utterance.close();
  }
}
