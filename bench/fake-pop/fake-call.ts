/**
 * One call of the fake POP: says a recorded script over the pipe in real time, and takes what the mouth sends as a POP
 * does: by the real writer, which orders it, drops what is flushed and reports what was played. Owns what is written down
 * of the call; what the figures mean is the benchmark's.
 */
import { buildRtp, type ControlClient, type CoreEventTuple, PIPE_OPUS_PAYLOAD_TYPE } from '../../src/backbone/index.ts';
import { systemClock } from '../../src/clock.ts';
// The writer is no part of the edge's face, and a POP that flushes and reports otherwise than it would measure itself.
import { DownlinkWriter } from '../../src/edge/downlink-writer.ts';
import type { TurnDecided } from '../agents/scripted/tell-decisions.ts';
import type { OwnLag } from '../light-caller/index.ts';
import { fromMachineMs } from '../nodes/machine-clock.ts';
import { FrameLateness } from './frame-lateness.ts';
import type { CallLog, HeardSpurt, ToldEvent } from './messages.ts';
import type { FakePipe } from './pipe.ts';
import type { RecordedScript } from './script.ts';

const FRAME_MS = 20;
const FRAME_TIMESTAMPS = 960;
/** Fixed header and the extension that carries the packet's number. */
const HEADER_BYTES = 24;
const EPOCH = 1;
/** A process that stalls for longer leaves frames out instead of sending them in a burst. */
const MAX_BURST_FRAMES = 5;
/** Frames whose time of sending is known: more than any answer takes. */
const KEPT_FRAMES = 1_024;
/** What comes after a hole of this length is another spurt, as it is for the POP's writer. */
const SPURT_GAP_MS = 60;

export interface FakeCallOptions {
  client: ControlClient;
  pipe: FakePipe;
  sessionId: string;
  agent: string;
  metadata: Record<string, unknown>;
  script: RecordedScript;
  /** Where in the script it begins. */
  firstFrame: number;
  uplinkSsrc: number;
  lag: OwnLag;
}

export class FakeCall {
  readonly sessionId: string;
  readonly #options: FakeCallOptions;
  readonly #writer: DownlinkWriter;
  readonly #sentAtMs = new Float64Array(KEPT_FRAMES);
  #stopListening: (() => void) | null = null;
  #startedAtMs = 0;
  /** Frame that is sent next, of those since the start. */
  #next = 0;
  /** Frames left out since the start: their packets have no number, as those of a caller who sends nothing. */
  #skipped = 0;
  #unsent = 0;
  #sendLateMs = 0;
  #lateness = new FrameLateness();
  #latenessMs: number[] = [];
  #latenessSeenMs: number[] = [];
  #log: CallLog;
  #spurt: HeardSpurt | null = null;
  #ended: string | null = null;

  constructor(options: FakeCallOptions) {
    this.#options = options;
    this.sessionId = options.sessionId;
    this.#log = emptyLog();
    this.#writer = new DownlinkWriter({
      ssrc: options.uplinkSsrc,
      clock: systemClock,
      // To nobody: what the caller would get is what is measured on its way in here.
      write: () => {},
      onPlayed: ({ epoch, timestamp, frames }) => {
        const { client, sessionId } = options;
        client.send('session.played', { sessionId, epoch, timestamp, frames });
      },
    });
  }

  /** Attaches, listens, and lets the agent speak; `tick` sends from then on. @throws what the core says */
  async open(): Promise<void> {
    const { client, pipe, sessionId, agent, metadata, uplinkSsrc } = this.#options;
    const { downlink } = await client.request('session.attach', {
      sessionId,
      epoch: EPOCH,
      pipeId: pipe.pipeId,
      agent,
      room: sessionId,
      residency: null,
      confinement: null,
      metadata,
      uplink: { producerId: `fake-${uplinkSsrc}`, ssrc: uplinkSsrc },
    });
    const input = this.#writer.bind(EPOCH);
    this.#stopListening = pipe.listen(downlink.ssrc, (view, atMs) => {
      this.#heard(view.packetNumber ?? view.sequenceNumber, atMs);
      input.push(view.packet);
    });
  }

  /** The voice begins at `atMs`; the agent may speak. */
  async start(atMs: number): Promise<void> {
    this.#startedAtMs = atMs;
    await this.#options.client.request('session.ready', { sessionId: this.sessionId, epoch: EPOCH });
  }

  /** When the next packet is due; never before `start`. */
  get dueMs(): number {
    return this.#startedAtMs === 0 ? Number.POSITIVE_INFINITY : this.#startedAtMs + this.#next * FRAME_MS;
  }

  /** Send what is due. */
  tick(nowMs: number): void {
    const behind = Math.floor((nowMs - this.dueMs) / FRAME_MS);
    if (behind > MAX_BURST_FRAMES) {
      this.#next += behind;
      this.#unsent += behind;
      this.#skipped += behind;
    }
    while (this.dueMs <= nowMs) this.#send();
  }

  coreEvent([name, data]: CoreEventTuple, atMs: number): void {
    if (name === 'session.flush') this.#writer.flush(data.beforeTimestamp);
    else if (name === 'session.journal') {
      const { sessionId, epoch, from, notes } = data;
      this.#options.client.send('session.journaled', { sessionId, epoch, to: from + notes.length - 1 });
    } else if (name === 'session.ended') this.#ended = `${data.end.code}: ${data.end.reason}`;
    else if (name === 'session.event') {
      const { event } = data;
      if (event.type === 'custom')
        this.#log.told.push({ atMs, name: event.name, data: event.data, ...this.#cause(event) });
      else if (event.type === 'turn') this.#log.told.push({ atMs, name: 'turn', data: event.timeline });
      else if (event.type === 'notice') this.#log.told.push({ atMs, name: 'notice', data: event.text });
      else if (event.type === 'interruption') {
        this.#log.told.push({ atMs, name: 'interruption', data: event.outcome });
      }
    }
  }

  /** Forget what was written down up to now. */
  measureFromNow(): void {
    this.#lateness = new FrameLateness();
    this.#latenessMs = [];
    this.#latenessSeenMs = [];
    this.#unsent = 0;
    this.#sendLateMs = 0;
    this.#log = emptyLog();
    this.#spurt = null;
  }

  report(): CallLog {
    return {
      ...this.#log,
      received: this.#lateness.received,
      lost: this.#lateness.lost,
      disordered: this.#lateness.disordered,
      unsent: this.#unsent,
      sendLateMs: this.#sendLateMs,
      ended: this.#ended,
    };
  }

  /** Of each frame that came in order: own lag taken off, and as seen. */
  get lateness(): { latenessMs: readonly number[]; seenMs: readonly number[] } {
    return { latenessMs: this.#latenessMs, seenMs: this.#latenessSeenMs };
  }

  /** Idempotent at the core, which answers a second time too. */
  async hangUp(): Promise<void> {
    this.#startedAtMs = 0;
    this.#stopListening?.();
    this.#stopListening = null;
    this.#writer.close();
    const end = { code: 'caller-left', reason: 'The fake caller hung up.' } as const;
    await this.#options.client.request('session.detach', { sessionId: this.sessionId, epoch: EPOCH, end });
  }

  /** The packet that a decision of the agent was waiting for. */
  #cause({ name, data }: { name: string; data?: unknown }): Pick<ToldEvent, 'packet'> {
    if (name !== 'turn-decided') return {};
    const { punctualAtMs } = data as TurnDecided;
    const frame = Math.floor((fromMachineMs(punctualAtMs) - this.#startedAtMs) / FRAME_MS);
    const known = frame >= 0 && frame < this.#next && frame >= this.#next - KEPT_FRAMES;
    return { packet: known ? { atMs: this.#sentAtMs[frame % KEPT_FRAMES]! } : null };
  }

  #send(): void {
    const { script, firstFrame, uplinkSsrc, pipe } = this.#options;
    const frame = this.#next++;
    const place = (firstFrame + frame) % script.packets.length;
    if (script.unsent.has(place)) {
      this.#skipped += 1;
      return;
    }
    const number = frame - this.#skipped;
    const packet = buildRtp({
      payloadType: PIPE_OPUS_PAYLOAD_TYPE,
      marker: number === 0,
      sequenceNumber: number,
      timestamp: frame * FRAME_TIMESTAMPS,
      ssrc: uplinkSsrc,
      payload: script.packets[place]!,
    });
    const nowMs = performance.now();
    this.#sentAtMs[frame % KEPT_FRAMES] = nowMs;
    this.#sendLateMs = Math.max(this.#sendLateMs, nowMs - (this.#startedAtMs + frame * FRAME_MS));
    pipe.send(packet, HEADER_BYTES, number);
    for (const [index, { kind, firstFrame: first, lastFrame: last }] of script.sounds.entries()) {
      if (first === place) this.#log.sounds.push({ index, kind, edge: 'first', atMs: nowMs });
      if (last === place) this.#log.sounds.push({ index, kind, edge: 'last', atMs: nowMs });
    }
  }

  #heard(number: number, atMs: number): void {
    const lateMs = this.#lateness.take(number, atMs);
    if (lateMs === null) return;
    this.#latenessSeenMs.push(lateMs);
    this.#latenessMs.push(Math.max(0, lateMs - this.#options.lag.recent(atMs)));
    if (this.#spurt === null || atMs - this.#spurt.lastAtMs > SPURT_GAP_MS) {
      this.#spurt = { firstAtMs: atMs, lastAtMs: atMs, firstNumber: number, frames: 1 };
      this.#log.spurts.push(this.#spurt);
    } else {
      this.#spurt.lastAtMs = atMs;
      this.#spurt.frames += 1;
    }
  }
}

function emptyLog(): CallLog {
  return {
    sounds: [],
    spurts: [],
    told: [],
    received: 0,
    lost: 0,
    disordered: 0,
    unsent: 0,
    sendLateMs: 0,
    ended: null,
  };
}
