/**
 * What a core counts. Hot paths add to plain numbers (`totals`); `publish` carries them over to the metrics registry
 * once a second. Owns the names of all antipode_core_* metrics.
 */
import {
  counter,
  type Gauge,
  gauge,
  type Histogram,
  histogram,
  LATENESS_SECONDS_BUCKETS,
  type Registry,
} from '../telemetry/index.ts';
import { LatenessRecord } from './lateness-record.ts';

/** Every total with the words for /metrics. */
const TOTALS = {
  earPackets: ['ear_packets_total', 'RTP packets that reached an ear.'],
  earMalformed: ['ear_malformed_total', 'Packets that were no RTP or no Opus.'],
  earLost: ['ear_lost_total', 'Packets declared lost.'],
  earLate: ['ear_late_total', 'Packets that came after they were declared lost.'],
  earDuplicate: ['ear_duplicate_total', 'Packets that came twice.'],
  earReordered: ['ear_reordered_total', 'Packets that came out of order and in time.'],
  earRestarts: ['ear_restarts_total', 'Streams that began anew.'],
  earTimestampJumps: ['ear_timestamp_jumps_total', 'RTP timestamps that went backwards or further than a gap may.'],
  earFrames: ['ear_frames_total', 'Frames of 20 ms handed to agents.'],
  earFecFrames: ['ear_fec_frames_total', 'Frames recovered from in-band FEC.'],
  earConcealedFrames: ['ear_concealed_frames_total', 'Frames concealed.'],
  earSilenceFrames: ['ear_silence_frames_total', 'Frames of silence made up.'],
  mouthFrames: ['mouth_frames_total', 'Frames of 20 ms sent.'],
  mouthFramesAgain: ['mouth_frames_again_total', 'Frames sent again to another POP, as not known to have been played.'],
  mouthLateFrames: ['mouth_late_frames_total', 'Frames sent more than 10 ms after they were due and there.'],
  mouthUnderruns: ['mouth_underruns_total', 'Times that an unfinished utterance ran dry.'],
  mouthFlushes: ['mouth_flushes_total', 'Times that an agent was silenced.'],
  mouthUnconfirmed: ['mouth_unconfirmed_total', 'Utterances whose end the POP never confirmed.'],
  mouthBadReports: ['mouth_bad_reports_total', 'Played reports of audio that was never sent.'],
  ticksSkipped: ['ticks_skipped_total', 'Ticks swallowed by a stall of the process.'],
  agentsFailed: ['agents_failed_total', 'Agents that crashed.'],
  roomFramesDropped: ['room_frames_dropped_total', 'Frames of callers of rooms that waited too long to be heard.'],
  roomForwardFailures: ['room_forward_failures_total', "Streams of a room's callers that could not be forwarded."],
  sessionsAdopted: ['sessions_adopted_total', 'Sessions whose caller came back by another POP.'],
  staleMessages: ['stale_messages_total', 'Messages of an older epoch or an unknown session.'],
} as const satisfies Record<string, readonly [string, string]>;

export type CoreTotal = keyof typeof TOTALS;
export type CoreTotals = Record<CoreTotal, number>;

export class CoreMetrics {
  readonly totals: CoreTotals;
  readonly lateness = new LatenessRecord();
  readonly #published: CoreTotals;
  readonly #registry: Registry;
  readonly #labels: { core: string };
  readonly #latenessSeconds: Histogram.Internal<'core'>;
  readonly #sessions: Gauge.Internal<'core'>;
  readonly #ended;

  /** @param core node id, the label of every metric */
  constructor(registry: Registry, core: string) {
    this.#registry = registry;
    this.#labels = { core };
    this.totals = zeroTotals();
    this.#published = zeroTotals();
    this.#latenessSeconds = histogram(
      registry,
      'antipode_core_tick_lateness_seconds',
      'How late the 20 ms ticker woke up.',
      LATENESS_SECONDS_BUCKETS,
      ['core'],
    ).labels(this.#labels);
    this.#sessions = gauge(registry, 'antipode_core_sessions', 'Sessions running.', ['core']).labels(this.#labels);
    this.#ended = counter(registry, 'antipode_core_sessions_ended_total', 'Sessions ended, by reason.', [
      'core',
      'code',
    ]);
    this.publish();
  }

  readonly tickWasLate = (latenessMs: number): void => {
    this.lateness.add(latenessMs);
    this.#latenessSeconds.observe(latenessMs / 1_000);
  };

  sessionCount(count: number): void {
    this.#sessions.set(count);
  }

  sessionEnded(code: string): void {
    this.#ended.inc({ ...this.#labels, code });
  }

  /** Bring the registry up to date. */
  publish(): void {
    for (const [key, [name, help]] of Object.entries(TOTALS) as [CoreTotal, readonly [string, string]][]) {
      const grown = this.totals[key] - this.#published[key];
      counter(this.#registry, `antipode_core_${name}`, help, ['core']).inc(this.#labels, grown);
      this.#published[key] = this.totals[key];
    }
  }
}

/** Totals that belong to no registry yet. */
export function zeroTotals(): CoreTotals {
  return Object.fromEntries(Object.keys(TOTALS).map((key) => [key, 0])) as CoreTotals;
}
