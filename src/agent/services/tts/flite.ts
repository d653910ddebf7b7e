/**
 * Text to speech by the Debian program `flite`: a process a sentence, with a bounded cache of what was spoken before
 * (greetings, questions, numbers). 16 kHz with the voice slt.
 */
import { availableParallelism } from 'node:os';
import type { Clock } from '../../../clock.ts';
import { runProgram } from '../program.ts';
import { Slots } from '../slots.ts';
import type { SpeechChunk, SynthesizeOptions, Tts } from '../tts.ts';
import { type PcmAudio, parseWav } from '../wav.ts';
import { piecesOf } from './pieces.ts';

export interface FliteOptions {
  command: string;
  /** Voice name, such as `slt`. */
  voice: string;
  clock: Clock;
  timeoutMs?: number;
  /** Processes at once. */
  maxProcesses?: number;
  maxWaiting?: number;
  /** Samples that the cache may hold; the sentence that was not used for longest goes first. */
  maxCachedSamples?: number;
}

export const FLITE_DEFAULTS = {
  timeoutMs: 5_000,
  maxProcesses: 2 * availableParallelism(),
  maxWaiting: 256,
  maxCachedSamples: 16_000 * 300,
} as const;

/** Of one process: a minute or so, so that neither its time nor its output gets out of hand. */
const MAX_CHARACTERS = 1_000;

export class Flite implements Tts {
  readonly name = 'flite';
  readonly #options: Required<FliteOptions>;
  readonly #slots: Slots;
  readonly #cache = new Map<string, PcmAudio>();
  #cachedSamples = 0;

  constructor(options: FliteOptions) {
    this.#options = { ...FLITE_DEFAULTS, ...options };
    this.#slots = new Slots({ slots: this.#options.maxProcesses, maxWaiting: this.#options.maxWaiting });
  }

  /** Speak these now, so that they are there when they are needed. */
  async prepare(sentences: Iterable<string>, signal: AbortSignal): Promise<void> {
    for (const sentence of sentences) await this.#audio(sentence, signal);
  }

  async *synthesize(text: string, { signal }: SynthesizeOptions): AsyncIterable<SpeechChunk> {
    for (const piece of piecesOf(text, MAX_CHARACTERS)) {
      if (piece.trim() === '') continue;
      const audio = await this.#audio(piece, signal);
      signal.throwIfAborted();
      if (audio.pcm.length > 0) yield audio;
    }
  }

  async #audio(text: string, signal: AbortSignal): Promise<PcmAudio> {
    const known = this.#cache.get(text);
    if (known !== undefined) {
      this.#cache.delete(text);
      this.#cache.set(text, known);
      return known;
    }
    const release = await this.#slots.acquire(signal);
    try {
      const { stdout } = await runProgram({
        command: 'sh',
        // flite opens its output by name and Node's pipes are sockets, which cannot be opened: `cat` makes it a pipe.
        arguments: [
          '-c',
          'command -v "$1" >/dev/null || exit 127; "$@" | cat',
          'sh',
          ...[this.#options.command, '-voice', this.#options.voice, '-o', '/dev/stdout', '-t', spoken(text)],
        ],
        clock: this.#options.clock,
        signal,
        timeoutMs: this.#options.timeoutMs,
      });
      const audio = trimSilence(parseWav(stdout), text);
      this.#remember(text, audio);
      return audio;
    } finally {
      release();
    }
  }

  #remember(text: string, audio: PcmAudio): void {
    if (this.#cache.has(text) || audio.pcm.length > this.#options.maxCachedSamples) return;
    this.#cache.set(text, audio);
    this.#cachedSamples += audio.pcm.length;
    for (const [oldest, { pcm }] of this.#cache) {
      if (this.#cachedSamples <= this.#options.maxCachedSamples) break;
      this.#cache.delete(oldest);
      this.#cachedSamples -= pcm.length;
    }
  }
}

/** Louder than this, of 32768, is the voice. */
const VOICE_LEVEL = 100;
/** Kept before the voice, for soft beginnings. */
const LEAD_MS = 30;
/** Kept after a word or two: the items of a list ("One. Two.") follow each other faster than sentences do. */
const ITEM_TAIL_MS = 160;
const ITEM_WORDS = 2;

/** flite begins each sentence with some 200 ms of silence, which the caller would wait through, and ends with as much. */
function trimSilence({ pcm, sampleRate }: PcmAudio, text: string): PcmAudio {
  const isVoice = (sample: number) => Math.abs(sample) > VOICE_LEVEL;
  const begin = Math.max(0, pcm.findIndex(isVoice) - (LEAD_MS * sampleRate) / 1_000);
  const isItem = text.trim().split(/\s+/).length <= ITEM_WORDS;
  const end = isItem ? pcm.findLastIndex(isVoice) + 1 + (ITEM_TAIL_MS * sampleRate) / 1_000 : pcm.length;
  return { pcm: pcm.slice(begin, end), sampleRate };
}

/** Text as flite may be given it: no control characters, and never mistaken for an option or a file. */
function spoken(text: string): string {
  return ` ${text.replace(/\p{Cc}+/gu, ' ')}`;
}
