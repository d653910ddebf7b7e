/**
 * One call of a chaos run, from its POST to its goodbye: joins by the signaling that `antipode call` uses, connects cheap
 * media, holds a conversation of numbered words, and comes back by itself when socket or media are lost. Owns socket and
 * media; writes all that happens into its log. A call that ends before it should is told by the log, not by an error.
 */
import { SignalingClient } from '../../../src/call/signaling-client.ts';
import { systemClock as clock } from '../../../src/clock.ts';
import { createSessionAnswerSchema, type JoinAnswer } from '../../../src/signaling/protocol.ts';
import type { CallerIdentity } from '../web-rtc/caller-identity.ts';
import type { SpokenPackets } from '../words/spoken-packets.ts';
import { SILENT_PACKET } from '../words/spoken-packets.ts';
import { type CallLog, emptyLog } from './call-log.ts';
import { ChaosMedia } from './caller-media.ts';
import { ReceivedVoice } from './received-voice.ts';
import { Speaking } from './speaking.ts';

const FRAME_MS = 20;
/** A process that stalls for longer leaves frames out instead of sending them in a burst. */
const MAX_BURST_FRAMES = 5;
const REQUEST_TIMEOUT_MS = 10_000;

export interface ChaosCallerOptions {
  call: number;
  /** Base URL of the POP that is asked for a session. */
  url: string;
  apiKey: string;
  agent: string;
  identity: CallerIdentity;
  packets: SpokenPackets;
  random(): number;
  /** Told when a turn was answered. */
  onTurn?(turnsDone: number): void;
}

export class ChaosCaller {
  readonly log: CallLog;
  readonly #options: ChaosCallerOptions;
  readonly #voice: ReceivedVoice;
  readonly #speaking: Speaking;
  readonly #over = Promise.withResolvers<void>();
  #signaling: SignalingClient | null = null;
  #media: ChaosMedia | null = null;
  /** Media that is being connected. */
  #coming: ChaosMedia | null = null;
  /** Whose packets are played. */
  #heard: ChaosMedia | null = null;
  #isConnected = false;
  #timer: NodeJS.Timeout | null = null;
  #startedAtMs = 0;
  #next = 0;
  #closed = false;

  private constructor(options: ChaosCallerOptions, log: CallLog, voice: ReceivedVoice, speaking: Speaking) {
    this.#options = options;
    this.log = log;
    this.#voice = voice;
    this.#speaking = speaking;
  }

  static async create(options: ChaosCallerOptions): Promise<ChaosCaller> {
    const log = emptyLog(options.call);
    const speaking = new Speaking({ packets: options.packets, log, random: options.random });
    const voice = await ReceivedVoice.create((word) => {
      log.heard.push(word);
      const before = speaking.turnsDone;
      speaking.heard(word, performance.now());
      if (speaking.turnsDone > before) options.onTurn?.(speaking.turnsDone);
    });
    return new ChaosCaller(options, log, voice, speaking);
  }

  /** Join and connect; the conversation begins. @throws when the call can't be made at all */
  async start(): Promise<void> {
    const { url, apiKey, agent, call } = this.#options;
    const response = await fetch(`${url}/v1/sessions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ agent, metadata: { call } }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`call ${call} was refused: ${response.status} ${await response.text()}`);
    const session = createSessionAnswerSchema.parse(await response.json());
    this.log.sessionId = session.sessionId;
    const signaling = new SignalingClient({
      url: session.signalingUrl,
      clock,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      keepMedia: () => this.#isConnected,
    });
    this.#signaling = signaling;
    signaling.on('mediaLost', () => this.#renew());
    signaling.on('resumed', (answer, { moved }) => this.#resumed(answer, moved));
    signaling.on('lost', (error) => this.#ended(`lost: ${error.code}: ${error.message}`));
    signaling.on('ended', ({ code, reason }) => this.#ended(`${code}: ${reason}`));
    signaling.on('agent', (event) => {
      if (event.type === 'moved') {
        this.log.moves.push({ atMs: performance.now(), reason: event.reason, gapMs: event.gapMs });
      } else if (event.type === 'notice') this.log.notices.push(event.text);
    });
    const answer = await signaling.join(session.token);
    this.log.pop = answer.placement.pop.nodeId;
    this.log.core = answer.placement.core.nodeId;
    await this.#connect(answer);
    this.#startedAtMs = performance.now();
    this.#speaking.begin(this.#startedAtMs);
    this.#tick();
  }

  get turnsDone(): number {
    return this.#speaking.turnsDone;
  }

  /** Say no other turn; resolves when the last one is answered or given up, or the call is over. */
  async finish(): Promise<void> {
    this.#speaking.finish();
    await this.#over.promise;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#over.resolve();
    await this.#signaling?.leave();
    this.#coming?.close();
    this.#media?.close();
    this.#voice.end();
  }

  #ended(why: string): void {
    if (this.#closed) return;
    this.log.ended ??= why;
    this.#lost();
    if (this.#timer) clearTimeout(this.#timer);
    this.#over.resolve();
  }

  async #connect(answer: JoinAnswer): Promise<void> {
    const media = new ChaosMedia({
      answer,
      signaling: this.#signaling!,
      identity: this.#options.identity,
      ssrc: 1_000_000 + this.#options.call,
      onFrame: (payload, timestamp) => {
        if (media === this.#coming) this.#hear(media);
        if (media === this.#heard) this.#voice.take(payload, timestamp, performance.now());
      },
      // Its user sees that the call is gone, and waits: signaling brings it back.
      onLost: () => {
        if (this.#media === media) this.#lost();
      },
    });
    this.#coming?.close();
    this.#coming = media;
    await media.connect();
    if (this.#coming !== media || this.#closed) return;
    // Until now the former one went on, where it was there.
    this.#hear(media);
    this.#coming = null;
    this.#media?.close();
    this.#media = media;
    this.#isConnected = true;
    const nowMs = performance.now();
    const outage = this.log.outages.at(-1);
    if (outage && outage.toMs === null) outage.toMs = nowMs;
    this.#speaking.resumed(nowMs);
  }

  /** From its first packet on it is the one that is played. */
  #hear(media: ChaosMedia): void {
    if (this.#heard === media) return;
    this.#heard = media;
    this.#voice.begin();
  }

  /** The media is known to be gone. */
  #lost(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#speaking.interrupted();
    this.log.outages.push({ fromMs: performance.now(), toMs: null });
  }

  #renew(): void {
    this.#lost();
    this.#signaling?.renew();
  }

  #resumed(answer: JoinAnswer, moved: boolean): void {
    if (answer.mediaKept || this.#closed) return;
    this.log.pops.push(answer.placement.pop.nodeId);
    if (!moved) this.#lost();
    this.#connect(answer).catch((error: Error) => {
      if (!this.#closed && this.#signaling?.available) this.#ended(`media: ${error.message}`);
    });
  }

  /** To the POP that comes as well, from when it takes it: as a microphone's track on two transports. */
  #send(packet: Buffer): void {
    this.#media?.send(packet);
    this.#coming?.send(packet);
  }

  #tick(): void {
    const dueMs = this.#startedAtMs + this.#next * FRAME_MS;
    this.log.sendLateMs = Math.max(this.log.sendLateMs, performance.now() - dueMs);
    const behind = Math.floor((performance.now() - this.#startedAtMs) / FRAME_MS) - this.#next;
    if (behind > MAX_BURST_FRAMES) this.#next += behind;
    while (this.#startedAtMs + this.#next * FRAME_MS <= performance.now()) {
      this.#next += 1;
      if (this.#isConnected) this.#send(this.#speaking.packet(performance.now()) ?? SILENT_PACKET);
    }
    if (this.#speaking.isOver) this.#over.resolve();
    const nextMs = this.#startedAtMs + this.#next * FRAME_MS;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, nextMs - performance.now()));
  }
}
