/** A session of a speech-to-speech service with all that it says written down, for tests to wait on and to read. */
import type { ServiceRun } from '../../../../src/agent/index.ts';
import type { S2s, S2sEvent, S2sOpenOptions, S2sSession } from '../../../../src/agent/services/s2s.ts';
import type { AntipodeError } from '../../../../src/errors.ts';
import { sayTones, type ToneWord } from '../../../fakes/tone-words.ts';

type EventOf<Type extends S2sEvent['type']> = Extract<S2sEvent, { type: Type }>;

export class RecordedSession {
  readonly session: S2sSession;
  readonly events: S2sEvent[] = [];
  readonly errors: AntipodeError[] = [];
  readonly runs: ServiceRun[] = [];
  readonly controller = new AbortController();
  readonly #waiting = new Set<() => void>();

  constructor(
    s2s: S2s,
    options: Partial<S2sOpenOptions> = {},
    onEvent?: (event: S2sEvent, session: S2sSession) => void,
  ) {
    const wake = () => {
      for (const look of [...this.#waiting]) look();
    };
    this.session = s2s.open({
      instructions: 'Be brief.',
      tools: [],
      history: [],
      signal: this.controller.signal,
      watch: { ran: (run) => this.runs.push(run), failedOver: () => {} },
      ...options,
      handlers: {
        onEvent: (event) => {
          this.events.push(event);
          onEvent?.(event, this.session);
          wake();
        },
        onError: (error) => {
          this.errors.push(error);
          wake();
        },
      },
    });
  }

  of<Type extends S2sEvent['type']>(type: Type): EventOf<Type>[] {
    return this.events.filter((event): event is EventOf<Type> => event.type === type);
  }

  /** Words of all answers so far. */
  get said(): string {
    return this.of('replyText')
      .map(({ text }) => text)
      .join('');
  }

  /** Milliseconds of sound so far. */
  get soundMs(): number {
    return this.of('audio').reduce((sum, { pcm, sampleRate }) => sum + (pcm.length * 1_000) / sampleRate, 0);
  }

  until(ready: () => boolean, what: string, timeoutMs = 20_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const look = () => {
        if (!ready()) return;
        settle();
        resolve();
      };
      const timer = setTimeout(() => {
        settle();
        const seen = this.events.map(({ type }) => type).slice(-20);
        reject(new Error(`${what} did not come; events: ${seen.join(' ')}; errors: ${this.errors.join(' ')}`));
      }, timeoutMs);
      this.#waiting.add(look);
      look();
    });
  }

  /** So many answers are whole. */
  replies(count = 1): Promise<void> {
    return this.until(() => this.of('replyEnded').length >= count, `${count} answers`);
  }

  failure(): Promise<AntipodeError> {
    return this.until(() => this.errors.length > 0, 'a failure').then(() => this.errors[0]!);
  }

  /** The caller says these words, in frames of 20 ms. */
  hears(words: readonly ToneWord[]): void {
    this.hearsSound(sayTones(words));
  }

  hearsSound(pcm: Int16Array): void {
    for (let at = 0; at < pcm.length; at += 320) this.session.audio(pcm.slice(at, at + 320));
  }

  /** The caller says these words, and they are to be answered. */
  asks(words: readonly ToneWord[]): number {
    this.hears(words);
    return this.session.endTurn();
  }

  transcript(utterance: number): string | undefined {
    return this.of('callerTranscript').find((event) => event.final && event.utterance === utterance)?.text;
  }
}
