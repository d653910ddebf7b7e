/** Holds N calls in this process, started evenly over the ramp, and reports on all of them. */
import { extname } from 'node:path';
import { type Clock, delay, systemClock } from '../clock.ts';
import { Call, type CallResult, type SingleCallOptions } from './call.ts';
import { loadClip } from './clip.ts';
import { CONVERSATION_LIMITS } from './conversation.ts';
import { FramePacer } from './frame-pacer.ts';
import { type CallReport, makeReport } from './report.ts';
import { loadWebRtc } from './web-rtc.ts';

export interface CallOptions {
  /** Base URL of the server. */
  url: string;
  agent: string;
  /** WAV files to say, in order, each after the answer to the one before. */
  say: readonly string[];
  /** WAV file to say into the answer to the last one; null not to interrupt. */
  interruptWith: string | null;
  /** Where to write the agent's audio, `-1`, `-2`... before the ending when there are several calls; null for nowhere. */
  record: string | null;
  /** How many calls, 1..500. */
  calls: number;
  /** Seconds over which their starts are spread. */
  rampSeconds: number;
  apiKey: string | null;
  /** The room that all calls join and the name there, with `-1`, `-2`... behind it when there are several; none when absent. */
  seat?: { room: string; name: string };
  /** How long a call stays after all is said. @defaultValue 0 */
  staySeconds?: number;
  /** Told who comes and goes in the room. */
  onNews?: (line: string) => void;
  /** Ends all calls when aborted. */
  signal?: AbortSignal;
  /** @defaultValue 20000 */
  connectTimeoutMs?: number;
  /** @defaultValue 10000 */
  requestTimeoutMs?: number;
}

/** Where call `index` of `calls` records. */
export function recordPath(record: string | null, index: number, calls: number): string | null {
  if (record === null || calls === 1) return record;
  const extension = extname(record);
  return `${record.slice(0, record.length - extension.length)}-${index + 1}${extension}`;
}

/**
 * Hold the calls. A failed call is part of the report.
 * @throws AntipodeError ERR_REQUEST_MALFORMED when a WAV file can't be used
 */
export async function runCalls(options: CallOptions): Promise<CallReport> {
  const clock: Clock = systemClock;
  const say = await Promise.all(options.say.map(loadClip));
  const interruptWith = options.interruptWith === null ? null : await loadClip(options.interruptWith);
  const webRtc = await loadWebRtc();
  const pacer = new FramePacer(clock);
  const signal = options.signal ?? new AbortController().signal;
  // The clock's timers hold no process, and between two calls of a ramp nothing else may.
  const alive = setInterval(() => {}, 60_000);
  try {
    const runs: Promise<CallResult>[] = [];
    for (let index = 0; index < options.calls; index++) {
      const call = new Call({
        url: options.url,
        agent: options.agent,
        apiKey: options.apiKey,
        seat: seatOf(options, index),
        stayMs: (options.staySeconds ?? 0) * 1_000,
        onNews: options.onNews ?? (() => {}),
        say,
        interruptWith,
        recordPath: recordPath(options.record, index, options.calls),
        connectTimeoutMs: options.connectTimeoutMs ?? 20_000,
        requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
        limits: CONVERSATION_LIMITS,
        webRtc,
        pacer,
        clock,
        signal,
      });
      const startsInMs = (index * options.rampSeconds * 1_000) / options.calls;
      runs.push(
        delay(clock, startsInMs, signal).then(
          () => call.run(),
          () => call.run(),
        ),
      );
    }
    const results = await Promise.all(runs);
    return makeReport(results, {
      p50: pacer.latenessMs(0.5),
      p95: pacer.latenessMs(0.95),
      p99: pacer.latenessMs(0.99),
    });
  } finally {
    clearInterval(alive);
  }
}

function seatOf({ seat, calls }: CallOptions, index: number): SingleCallOptions['seat'] {
  if (!seat || calls === 1) return seat ?? null;
  return { room: seat.room, name: `${seat.name}-${index + 1}` };
}
