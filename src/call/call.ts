/**
 * One call from its POST to its goodbye: joins, connects the media, holds the conversation, comes back by itself when
 * the socket or the media is lost, and answers with what it measured. Never rejects: a failure is part of the result.
 */
import type { ClientEvent, SessionEnd } from '../agent/client-events.ts';
import { type Clock, delay } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { CreateSessionAnswer, JoinAnswer } from '../signaling/protocol.ts';
import { abortable } from './abortable.ts';
import { CallerMedia } from './caller-media.ts';
import { type Clip, MICROPHONE_FRAME_SAMPLES, MICROPHONE_RATE } from './clip.ts';
import { type ConversationLimits, converse, type Talk, type Turn } from './conversation.ts';
import { createSession } from './create-session.ts';
import type { FramePacer } from './frame-pacer.ts';
import { Listener } from './listener.ts';
import { Microphone } from './microphone.ts';
import { resample } from './resample.ts';
import { type Companion, RoomCompany } from './room-company.ts';
import { SignalingClient } from './signaling-client.ts';
import { WavWriter } from './wav.ts';
import type { AudioSource, SinkFrame, WebRtc } from './web-rtc.ts';

/** A call that loses its socket or its media more often than this is given up. */
const MAX_RECONNECTS = 10;
/** Hz of a recording: what libwebrtc's jitter buffer delivers of Opus, once the first packet is there. */
const TAPE_RATE = 48_000;
/** A hole in the received audio longer than this is time that passed without media: silence on the tape. */
const TAPE_HOLE_MS = 100;

export interface CallResult {
  /** Null when the session was refused. */
  sessionId: string | null;
  /** Start of the POST to both transports connected. */
  connectMs: number | null;
  /** Start of the POST to the first voiced sample of the greeting; null when the agent did not greet. */
  firstAudioMs: number | null;
  turns: Turn[];
  /** In a room: the others there, by their coming. */
  company?: Companion[];
  /** Final words of both sides, as the server told them. */
  transcript: { role: 'caller' | 'agent'; text: string }[];
  /** Agent's packets that never arrived. */
  packetsLost: number;
  /** Times that the call lost its socket or its media and came back. */
  reconnects: number;
  error?: { code: string; message: string };
}

export interface SingleCallOptions {
  url: string;
  agent: string;
  apiKey: string | null;
  /** The seat that is taken; null for an agent of its own. */
  seat: { room: string; name: string } | null;
  /** How long it stays when all is said. */
  stayMs: number;
  onNews: (line: string) => void;
  say: readonly Clip[];
  interruptWith: Clip | null;
  /** Where the agent's audio is written, null for nowhere. */
  recordPath: string | null;
  connectTimeoutMs: number;
  requestTimeoutMs: number;
  limits: ConversationLimits;
  webRtc: WebRtc;
  pacer: FramePacer;
  clock: Clock;
  signal: AbortSignal;
}

export class Call {
  readonly #options: SingleCallOptions;
  readonly #listener: Listener;
  readonly #source: AudioSource;
  readonly #stop = new AbortController();
  readonly #connected = Promise.withResolvers<void>();
  readonly #talk: Talk = { greetedAtMs: null, turns: [] };
  readonly #utterances = new Map<string, { role: 'caller' | 'agent'; text: string }>();
  #signaling: SignalingClient | null = null;
  #microphone: Microphone | null = null;
  #media: CallerMedia | null = null;
  #company: RoomCompany | null = null;
  /** False from the moment that the media is known to be lost until it is connected again. */
  #mediaAlive = false;
  #packetsLost = 0;
  #reconnects = 0;
  #tape: WavWriter | null = null;
  #tapeBeganAtMs = 0;
  #ended: SessionEnd | null = null;

  constructor(options: SingleCallOptions) {
    this.#options = options;
    this.#listener = new Listener(options.clock);
    this.#source = options.webRtc.createAudioSource();
    this.#connected.promise.catch(() => {});
  }

  /** Hold the call. To be called once. */
  async run(): Promise<CallResult> {
    const { signal, clock } = this.#options;
    const onAbort = () => this.#stop.abort(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const startedAtMs = clock.now();
    let sessionId: string | null = null;
    let connectMs: number | null = null;
    let failure: AntipodeError | null = null;
    try {
      const session = await this.#createSession();
      sessionId = session.sessionId;
      await this.#connect(session);
      connectMs = clock.now() - startedAtMs;
      await this.#converse();
    } catch (error) {
      failure = asFailure(error);
    }
    signal.removeEventListener('abort', onAbort);
    try {
      await this.#close();
    } catch (error) {
      failure ??= asFailure(error);
    }
    const { greetedAtMs, turns } = this.#talk;
    return {
      sessionId,
      connectMs,
      firstAudioMs: greetedAtMs === null ? null : greetedAtMs - startedAtMs,
      turns,
      ...(this.#company && { company: this.#company.companions }),
      transcript: [...this.#utterances.values()],
      packetsLost: this.#packetsLost,
      reconnects: this.#reconnects,
      ...(failure ? { error: { code: failure.code, message: failure.message } } : {}),
    };
  }

  #createSession(): Promise<CreateSessionAnswer> {
    const { agent, apiKey, requestTimeoutMs, seat, url } = this.#options;
    return createSession({ url, agent, seat, apiKey, timeoutMs: requestTimeoutMs, signal: this.#stop.signal });
  }

  async #connect(session: CreateSessionAnswer): Promise<void> {
    const { clock, pacer, requestTimeoutMs } = this.#options;
    this.#microphone = new Microphone({ clock, pacer, onFrame: (samples) => this.#speak(samples) });
    const signaling = new SignalingClient({
      url: session.signalingUrl,
      clock,
      requestTimeoutMs,
      keepMedia: () => this.#mediaAlive,
    });
    this.#signaling = signaling;
    signaling.on('agent', (event) => this.#onAgentEvent(event));
    signaling.on('mediaLost', () => this.#renewMedia());
    signaling.on('resumed', (answer, { moved }) => this.#onResumed(answer, moved));
    signaling.on('lost', (error) => this.#stop.abort(error));
    signaling.on('ended', (end) => {
      this.#ended = end;
      this.#stop.abort(new AntipodeError('ERR_SESSION_ENDED', `the session ended (${end.code}): ${end.reason}`));
    });
    signaling.on('participant', (notice, participant) => this.#company?.told(notice, participant));
    const answer = await signaling.join(session.token);
    this.#meet(answer);
    void this.#openMedia(answer);
    await abortable(this.#connected.promise, this.#stop.signal);
  }

  /** Who is in the room, at a join and again after a resume. */
  #meet({ participant, participants }: JoinAnswer): void {
    if (!participant) return;
    const { onNews } = this.#options;
    this.#company ??= new RoomCompany({ participantId: participant.participantId, onNews });
    this.#company.present(participants ?? []);
  }

  async #converse(): Promise<void> {
    const { say, interruptWith, limits } = this.#options;
    const { turns } = this.#talk;
    try {
      await converse({
        say,
        interruptWith,
        microphone: this.#microphone!,
        listener: this.#listener,
        limits,
        signal: this.#stop.signal,
        talk: this.#talk,
      });
      await delay(this.#options.clock, this.#options.stayMs, this.#stop.signal);
    } catch (error) {
      const complete = turns.length === say.length && (!interruptWith || turns.at(-1)?.bargeInMs !== undefined);
      // An agent that says its last words and hangs up has answered.
      if (!(this.#ended && complete)) throw error;
    }
  }

  async #openMedia(answer: JoinAnswer): Promise<void> {
    const { clock, connectTimeoutMs, webRtc } = this.#options;
    let media: CallerMedia | null = null;
    try {
      media = await CallerMedia.create({
        answer,
        signaling: this.#signaling!,
        webRtc,
        source: this.#source,
        clock,
        connectTimeoutMs,
        onFrame: (frame) => {
          if (media === this.#media) this.#hear(frame);
        },
      });
      this.#media = media;
      media.on('failed', () => {
        if (media === this.#media) this.#renewMedia();
      });
      await media.connect();
      this.#mediaAlive = true;
      this.#company?.by(media);
      this.#listener.mediaRenewed();
      this.#connected.resolve();
    } catch (error) {
      const replaced = media !== null && media !== this.#media;
      // When the socket was lost meanwhile, `resumed` will bring another offer.
      if (!replaced && this.#signaling?.available) this.#stop.abort(error);
    }
  }

  #renewMedia(): void {
    this.#mediaAlive = false;
    this.#signaling?.renew();
  }

  #onResumed(answer: JoinAnswer, moved: boolean): void {
    this.#reconnects++;
    if (this.#reconnects > MAX_RECONNECTS) {
      this.#stop.abort(new AntipodeError('ERR_CALL_FAILED', `the call was lost more than ${MAX_RECONNECTS} times`));
      return;
    }
    this.#meet(answer);
    if (answer.mediaKept) return;
    this.#mediaAlive = false;
    const open = () => this.#openMedia(answer);
    const former = this.#media;
    // At a POP that is left the caller is heard until it is at the next one.
    const renewed = moved ? open().then(() => this.#leave(former)) : this.#closeMedia().then(open);
    renewed.catch((error: unknown) => this.#stop.abort(error));
  }

  async #closeMedia(): Promise<void> {
    const media = this.#media;
    this.#media = null;
    this.#company?.by(null);
    await this.#leave(media);
  }

  async #leave(media: CallerMedia | null): Promise<void> {
    if (!media) return;
    this.#packetsLost += await media.packetsLost();
    media.close();
  }

  #onAgentEvent(event: ClientEvent): void {
    if (event.type !== 'transcript' || !event.final) return;
    this.#utterances.set(event.id, { role: event.role, text: event.text });
  }

  #speak(samples: Int16Array): void {
    this.#source.onData({
      samples,
      sampleRate: MICROPHONE_RATE,
      bitsPerSample: 16,
      channelCount: 1,
      numberOfFrames: MICROPHONE_FRAME_SAMPLES,
    });
  }

  #hear({ samples, sampleRate, channelCount }: SinkFrame): void {
    const nowMs = this.#options.clock.now();
    const mono = channelCount === 1 ? samples : samples.filter((_, index) => index % channelCount === 0);
    this.#listener.push(mono, sampleRate, nowMs);
    const { recordPath } = this.#options;
    if (recordPath === null) return;
    if (!this.#tape) {
      this.#tape = new WavWriter(recordPath, TAPE_RATE);
      this.#tapeBeganAtMs = nowMs;
    }
    const passedMs = nowMs - this.#tapeBeganAtMs;
    if (passedMs - this.#tape.durationMs > TAPE_HOLE_MS) this.#tape.padTo(passedMs);
    this.#tape.write(resample(mono, sampleRate, TAPE_RATE));
  }

  async #close(): Promise<void> {
    await this.#signaling?.leave();
    this.#microphone?.close();
    await this.#closeMedia();
    await this.#tape?.close();
  }
}

function asFailure(error: unknown): AntipodeError {
  return asAntipodeError(error, 'ERR_CALL_FAILED', error instanceof Error ? error.message : String(error));
}
