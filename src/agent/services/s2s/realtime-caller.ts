/**
 * The caller's side of a session in the OpenAI Realtime dialect: sound out in the service's format, utterances with their
 * numbers, and the words that come back for them. Keeps what a new connection has to be given again.
 */

import type { S2sEvent, S2sTurns } from '../s2s.ts';
import { Upsampler } from '../stt/upsampler.ts';
import { deletion } from './realtime-reply.ts';
import { itemsOf, WIRE_RATE } from './realtime-setup.ts';
import type { CallerPart, SessionMemory } from './session-memory.ts';

export interface RealtimeCallerOptions {
  turns: S2sTurns;
  memory: SessionMemory;
  /** A connection is set up. */
  isConnected(): boolean;
  send(message: object): void;
  emit(event: S2sEvent): void;
}

/** A shorter utterance is refused; it is filled up with silence. */
const MIN_UTTERANCE_SAMPLES = WIRE_RATE / 10;
/** `service`: sound that a new connection is given, in chunks of 20 ms: at rest, and while somebody's words are in it. */
const RECENT_CHUNKS = { resting: 50, wanted: 1_500 } as const;

export class RealtimeCaller {
  readonly #options: RealtimeCallerOptions;
  readonly #upsampler = new Upsampler();
  /** The utterance under way. */
  #utterance: CallerPart | null = null;
  #samples = 0;
  /** `service`: the latest sound, and whether nobody has answered what is in it. */
  readonly #recent: string[] = [];
  #isUnanswered = false;
  /** Utterances whose commit was sent and not confirmed. */
  #commits: CallerPart[] = [];
  /** Words that are not final, by item. */
  readonly #words = new Map<string, string>();
  #sentSamples = 0;

  constructor(options: RealtimeCallerOptions) {
    this.#options = options;
  }

  hear(pcm: Int16Array): void {
    this.#append(this.#upsampler.process(pcm));
  }

  #append(pcm: Int16Array): void {
    if (pcm.length === 0) return;
    const { turns, memory, isConnected } = this.#options;
    const chunk = Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength).toString('base64');
    if (turns === 'ours') {
      this.#utterance ??= memory.begin();
      memory.hear(this.#utterance, chunk);
      this.#samples += pcm.length;
    } else {
      this.#recent.push(chunk);
      const isWanted = this.#isUnanswered || !isConnected();
      const over = this.#recent.length - (isWanted ? RECENT_CHUNKS.wanted : RECENT_CHUNKS.resting);
      if (over > 0) this.#recent.splice(0, over);
    }
    if (isConnected()) this.#sendSound(chunk);
  }

  #sendSound(audio: string): void {
    this.#sentSamples += (audio.length * 3) / 8;
    this.#options.send({ type: 'input_audio_buffer.append', audio });
  }

  /** The utterance is whole; gives its number. */
  end(): number {
    this.#append(this.#upsampler.flush());
    if (this.#samples < MIN_UTTERANCE_SAMPLES) this.#append(new Int16Array(MIN_UTTERANCE_SAMPLES - this.#samples));
    const part = this.#utterance ?? this.#options.memory.begin();
    part.ended = true;
    this.#rest();
    if (this.#options.isConnected()) this.#commit(part);
    return part.utterance!;
  }

  #commit(part: CallerPart): void {
    this.#commits.push(part);
    this.#options.send({ type: 'input_audio_buffer.commit' });
  }

  /** The last utterance was none. */
  discard(): void {
    this.#upsampler.flush();
    const { memory, send, isConnected } = this.#options;
    const part = this.#utterance ?? memory.lastUnanswered();
    const isOpen = this.#utterance !== null;
    this.#rest();
    if (part === null) return;
    memory.forget(part);
    if (!isConnected()) return;
    if (isOpen) send({ type: 'input_audio_buffer.clear' });
    else if (part.itemId !== null) send(deletion(part.itemId));
    else part.unwanted = true;
  }

  #rest(): void {
    this.#utterance = null;
    this.#samples = 0;
  }

  /** What was said has its answer. */
  answered(): void {
    this.#isUnanswered = false;
    this.#options.memory.answered();
  }

  /** The commit that was sent first has become this item. */
  committed(itemId: string): void {
    const part = this.#commits.shift();
    if (part === undefined) return;
    part.itemId = itemId;
    if (part.unwanted) this.#options.send(deletion(itemId));
  }

  /** There was nothing to commit. */
  refused(): void {
    const part = this.#commits.shift();
    if (part === undefined || part.utterance === null) return;
    part.text = '';
    this.#options.emit({ type: 'callerTranscript', utterance: part.utterance, text: '', final: true });
  }

  started(itemId: string): void {
    const part = this.#options.memory.begin();
    part.itemId = itemId;
    part.chunks = null;
    this.#isUnanswered = true;
    this.#options.emit({ type: 'callerStarted', utterance: part.utterance! });
  }

  stopped(itemId: string): void {
    const part = this.#options.memory.ofItem(itemId);
    if (part === null || part.ended) return;
    part.ended = true;
    this.#options.emit({ type: 'callerStopped', utterance: part.utterance! });
  }

  wordsCame(itemId: string, delta: string): void {
    const text = (this.#words.get(itemId) ?? '') + delta;
    this.#words.set(itemId, text);
    if (text.trim() !== '') this.#understood(itemId, text.trim(), false);
  }

  wordsAreWhole(itemId: string, text: string): void {
    this.#words.delete(itemId);
    this.#understood(itemId, text.trim(), true);
  }

  #understood(itemId: string, text: string, final: boolean): void {
    const { memory, emit } = this.#options;
    const part = memory.ofItem(itemId);
    if (part === null || part.utterance === null || part.text !== null) return;
    if (final) memory.understood(part, text);
    emit({ type: 'callerTranscript', utterance: part.utterance, text, final });
  }

  /** The connection is gone, and with it what it had not confirmed. */
  lost(): void {
    const { memory, turns } = this.#options;
    this.#commits = [];
    this.#words.clear();
    // Its sound will be heard anew, as another utterance.
    if (turns === 'service' && this.#isUnanswered) memory.forgetUnanswered();
  }

  /** Tell a new connection of something that the caller said. */
  retell(part: CallerPart): void {
    part.itemId = null;
    const isKnown = part.text !== null && (part.answered || part.chunks === null);
    if (isKnown) for (const message of itemsOf({ ...part, text: part.text! })) this.#options.send(message);
    else if (part.chunks !== null && part.chunks.length > 0) {
      for (const chunk of part.chunks) this.#sendSound(chunk);
      if (part.ended) this.#commit(part);
    }
  }

  /** `service`: give a new connection the latest sound, for it to find the turns in. */
  retellRecent(): void {
    for (const chunk of this.#recent) this.#sendSound(chunk);
  }

  /** Seconds of sound that were sent since this was asked last. */
  takeSentSeconds(): number {
    const seconds = this.#sentSamples / WIRE_RATE;
    this.#sentSamples = 0;
    return seconds;
  }
}
