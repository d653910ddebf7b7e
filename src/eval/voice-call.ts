/**
 * A spoken call: a real WebRTC caller with a synthetic voice. Owns its sockets and its microphone, and when an answer is
 * over: when it can't be heard any more and the agent says that it listens.
 */
import { abortable } from '../call/abortable.ts';
import { CallerMedia } from '../call/caller-media.ts';
import { type Clip, MICROPHONE_FRAME_SAMPLES, MICROPHONE_RATE, withoutLead } from '../call/clip.ts';
import { AGENT_DONE_MS, AGENT_STOPPED_MS, CONVERSATION_LIMITS } from '../call/conversation.ts';
import { createSession } from '../call/create-session.ts';
import { FramePacer } from '../call/frame-pacer.ts';
import { Listener } from '../call/listener.ts';
import { Microphone } from '../call/microphone.ts';
import { SignalingClient } from '../call/signaling-client.ts';
import type { AudioSource, SinkFrame, WebRtc } from '../call/web-rtc.ts';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { CallLog } from './call-log.ts';
import type { EvalCall, SayOptions, TurnRecord } from './eval-call.ts';
import { mixed } from './noise.ts';
import { Tape } from './tape.ts';

export interface VoiceCallOptions {
  readonly url: string;
  readonly apiKey: string | null;
  readonly agent: string;
  /** The caller's words as sound. */
  speak(text: string): Promise<Clip>;
  /** At the microphone's rate, over and over; null for a quiet room. */
  readonly noise: Int16Array | null;
  readonly answerMs: number;
  readonly webRtc: WebRtc;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const REQUEST_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 20_000;
/** The last words of an answer are told after its last sound, at the latest by then. */
const LAST_WORDS_MS = 3_000;
/** An agent whose last sound is no older than this is sounding now. */
const SOUNDING_MS = 30;

export class VoiceCall implements EvalCall {
  readonly #options: VoiceCallOptions;
  readonly log: CallLog;
  readonly #beganAtMs: number;
  readonly #listener: Listener;
  readonly #pacer: FramePacer;
  readonly #tape = new Tape();
  readonly #source: AudioSource;
  /** Aborted when nothing more can come of this call. */
  readonly #stop = new AbortController();
  #noiseAt = 0;
  #signaling: SignalingClient | null = null;
  #microphone: Microphone | null = null;
  #media: CallerMedia | null = null;

  constructor(options: VoiceCallOptions) {
    this.#options = options;
    this.log = new CallLog(options.clock);
    this.#beganAtMs = options.clock.now();
    this.#pacer = new FramePacer(options.clock);
    this.#listener = new Listener(options.clock);
    this.#source = options.webRtc.createAudioSource();
  }

  get audio(): Int16Array {
    return this.#tape.mix;
  }

  get callerLateMs(): number | null {
    return this.#pacer.latenessMs(0.95);
  }

  async open(): Promise<void> {
    const { url, agent, apiKey, clock, webRtc, signal } = this.#options;
    const timeoutMs = REQUEST_TIMEOUT_MS;
    const session = await createSession({ url, agent, seat: null, apiKey, timeoutMs, signal });
    const { signalingUrl, token } = session;
    const signaling = new SignalingClient({
      ...{ url: signalingUrl, clock, requestTimeoutMs: REQUEST_TIMEOUT_MS },
      keepMedia: () => true,
    });
    this.#signaling = signaling;
    signaling.on('agent', (event) => this.log.told(event));
    signaling.on('ended', (end) => this.#over(end));
    signaling.on('lost', (error) => this.#stop.abort(error));
    signaling.on('mediaLost', () => this.#stop.abort(lost('the server lost the media of the call')));
    const answer = await signaling.join(token);
    this.#microphone = new Microphone({ clock, pacer: this.#pacer, onFrame: (frame) => this.#speak(frame) });
    this.#media = await CallerMedia.create({
      ...{ answer, signaling, webRtc, source: this.#source, clock, connectTimeoutMs: CONNECT_TIMEOUT_MS },
      onFrame: (frame) => this.#hear(frame),
    });
    this.#media.on('failed', () => this.#stop.abort(lost('the media of the call is lost')));
    await abortable(this.#media.connect(), this.#until);
    await this.#greeting();
  }

  async say(text: string, { cutAfterMs, interrupts }: SayOptions): Promise<TurnRecord> {
    const clip = await this.#options.speak(text);
    const listener = this.#listener;
    this.log.beginTurn();
    const { elapsedMs: atMs } = this.log;
    const saying = this.#microphone!.say(interrupts ? withoutLead(clip) : clip);
    const record: TurnRecord = {
      ...{ said: text, atMs, endMs: atMs, latencyMs: null, silentAfterMs: null, sound: null },
    };
    try {
      const begunAtMs = await abortable(saying.begun, this.#until);
      if (interrupts) record.silentAfterMs = await this.#silenced(begunAtMs);
      const endedAtMs = await abortable(saying.ended, this.#until);
      record.endMs = endedAtMs - this.#beganAtMs;
      const answeredAtMs = await this.#answered(endedAtMs, text);
      record.latencyMs = answeredAtMs - endedAtMs;
      await (cutAfterMs === null ? this.#done() : this.#heardFor(answeredAtMs, cutAfterMs));
      record.sound = this.#tape.agent(answeredAtMs - this.#beganAtMs - 200, listener.heardUpToMs - this.#beganAtMs);
    } catch (error) {
      // An agent that says its last words and hangs up has answered.
      if (!(this.log.ended && error === this.#stop.signal.reason)) throw error;
    }
    return record;
  }

  async close(): Promise<void> {
    await this.#signaling?.leave();
    this.#microphone?.close();
    this.#media?.close();
    this.#stop.abort();
  }

  get #until(): AbortSignal {
    return AbortSignal.any([this.#options.signal, this.#stop.signal]);
  }

  #over(end: Parameters<CallLog['end']>[0]): void {
    this.log.end(end);
    this.#stop.abort(new AntipodeError('ERR_SESSION_ENDED', `the session ended (${end.code}): ${end.reason}`));
  }

  async #greeting(): Promise<void> {
    const listener = this.#listener;
    const wait = this.#wait('no audio came from the agent', this.#options.answerMs);
    const startedAtMs = await listener.until(() => listener.heardUpToMs || null, wait);
    const greeted = await listener.until(() => {
      if (listener.firstSoundAtMs !== null) return true;
      return listener.heardUpToMs - startedAtMs >= CONVERSATION_LIMITS.greetingBeginsMs ? false : null;
    }, wait);
    if (greeted) await this.#done();
  }

  /** First sound of what the agent says to words that ended then, monotonic ms. */
  #answered(endedAtMs: number, text: string): Promise<number> {
    const listener = this.#listener;
    const { answerMs } = this.#options;
    return listener.until(
      () => {
        const beganAtMs = listener.spurtBeganAtMs;
        return beganAtMs !== null && beganAtMs > endedAtMs ? beganAtMs : null;
      },
      this.#wait(`the agent did not answer "${text}" within ${answerMs / 1_000} s`, answerMs),
    );
  }

  /** An interrupted agent has stopped: ms since the first sound that interrupted it. */
  async #silenced(begunAtMs: number): Promise<number> {
    const listener = this.#listener;
    const { interruptionMs } = CONVERSATION_LIMITS;
    const wait = this.#wait(
      `the agent talked on for ${interruptionMs / 1_000} s after it was interrupted`,
      interruptionMs,
    );
    await listener.until(() => (listener.silentForMs >= AGENT_STOPPED_MS ? true : null), wait);
    const silentAtMs = listener.lastSoundAtMs ?? 0;
    if (silentAtMs >= begunAtMs) return silentAtMs - begunAtMs;
    throw new AntipodeError('ERR_CALL_FAILED', 'the agent had finished before it could be interrupted');
  }

  /** So much of the answer was heard, and it sounds. */
  async #heardFor(answeredAtMs: number, ms: number): Promise<void> {
    const listener = this.#listener;
    const wait = this.#wait('the audio of the answer stopped coming', this.#options.answerMs);
    const going = await listener.until(() => {
      if (listener.silentForMs >= AGENT_DONE_MS) return false;
      return listener.heardUpToMs - answeredAtMs >= ms && listener.silentForMs < SOUNDING_MS ? true : null;
    }, wait);
    if (going) return;
    throw new AntipodeError('ERR_CALL_FAILED', 'the agent had finished its answer before it could be interrupted');
  }

  /** The agent is not heard any more and listens, and its last words are told. */
  async #done(): Promise<void> {
    const listener = this.#listener;
    const { agentTalksMs } = CONVERSATION_LIMITS;
    const rests = () => this.log.state === null || this.log.state === 'listening';
    await listener.until(
      () => (listener.silentForMs >= AGENT_DONE_MS && rests() ? true : null),
      this.#wait(`the agent did not fall silent within ${agentTalksMs / 1_000} s`, agentTalksMs),
    );
    const told = () => (this.log.lines.every(({ role, final }) => role === 'caller' || final) ? true : null);
    const message = "the agent's last words were not told";
    await this.log.until(told, { timeoutMs: LAST_WORDS_MS, message, signal: this.#until });
  }

  #wait(message: string, timeoutMs: number) {
    return { timeoutMs, code: 'ERR_CALL_NO_ANSWER' as const, message, signal: this.#until };
  }

  #speak(frame: Int16Array): void {
    const { noise, clock } = this.#options;
    const samples = noise === null ? frame : mixed(frame, noise, this.#noiseAt);
    this.#noiseAt += MICROPHONE_FRAME_SAMPLES;
    this.#tape.write('caller', samples, MICROPHONE_RATE, clock.now() - this.#beganAtMs);
    this.#source.onData({
      ...{ samples, sampleRate: MICROPHONE_RATE, bitsPerSample: 16, channelCount: 1 },
      numberOfFrames: MICROPHONE_FRAME_SAMPLES,
    });
  }

  #hear({ samples, sampleRate, channelCount }: SinkFrame): void {
    const nowMs = this.#options.clock.now();
    const mono = channelCount === 1 ? samples : samples.filter((_, index) => index % channelCount === 0);
    this.#listener.push(mono, sampleRate, nowMs);
    this.#tape.write('agent', mono, sampleRate, nowMs - this.#beganAtMs);
  }
}

function lost(message: string): AntipodeError {
  return new AntipodeError('ERR_CALL_FAILED', message);
}
