/** What the edge counts: its metrics on the process's registry, and the same packet totals as plain numbers. */
import {
  type Counter,
  counter,
  type Gauge,
  gauge,
  type Histogram,
  histogram,
  type Registry,
} from '../telemetry/index.ts';
import type { DownlinkResult } from './downlink-writer.ts';
import type { UplinkResult } from './uplink-tap.ts';

/** Why a caller's media did not come about. */
export type MediaFailure = 'timeout' | 'dtls' | 'parameters';

const UPLINK_RESULTS: UplinkResult[] = ['forwarded', 'duplicate', 'late', 'malformed', 'flood', 'overwritten'];
const DOWNLINK_RESULTS: DownlinkResult[] = [
  'written',
  'stale_epoch',
  'late',
  'duplicate',
  'flushed',
  'malformed',
  'overflow',
];
const TAKE_OVER_SECONDS_BUCKETS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10];
const HAND_OVER_SECONDS_BUCKETS = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2];
const HELD_SECONDS_BUCKETS = [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1, 1.5, 2, 5];

export class EdgeMetrics {
  readonly calls: Gauge;
  readonly callsEnded: Counter<'code'>;
  readonly mediaFailures: Counter<'reason'>;
  readonly mediaLost: Counter;
  readonly repipes: Counter<'result'>;
  readonly staleEvents: Counter;
  readonly takeOvers: Counter<'reason' | 'outcome'>;
  readonly takeOverGap: Histogram;
  readonly handOvers: Counter<'reason' | 'outcome'>;
  readonly handOverGap: Histogram<'reason'>;
  readonly reflexDucks: Counter<'outcome'>;
  readonly reflexHeld: Histogram;
  readonly reflexUnavailable: Counter;
  readonly uplinkTotals = zeros(UPLINK_RESULTS);
  readonly downlinkTotals = zeros(DOWNLINK_RESULTS);
  readonly #uplink: Record<UplinkResult, Counter.Internal>;
  readonly #downlink: Record<DownlinkResult, Counter.Internal>;

  constructor(registry: Registry) {
    this.calls = gauge(registry, 'antipode_edge_calls', 'Calls at this POP.');
    this.callsEnded = counter(registry, 'antipode_edge_calls_ended_total', 'Calls that ended, by reason.', ['code']);
    this.mediaFailures = counter(
      registry,
      'antipode_edge_media_connect_failures_total',
      "Callers' media that did not come about.",
      ['reason'],
    );
    this.mediaLost = counter(registry, 'antipode_edge_media_lost_total', 'Calls whose media worker died.');
    this.repipes = counter(registry, 'antipode_edge_repipes_total', 'Calls moved to a new pipe.', ['result']);
    this.staleEvents = counter(registry, 'antipode_edge_stale_events_total', 'Events of a core whose epoch is over.');
    this.takeOvers = counter(registry, 'antipode_edge_take_overs_total', 'Calls that another core was asked to take.', [
      'reason',
      'outcome',
    ]);
    this.takeOverGap = histogram(
      registry,
      'antipode_edge_take_over_gap_seconds',
      'How long a call that was taken over was without an agent, the detection included.',
      TAKE_OVER_SECONDS_BUCKETS,
    );
    this.handOvers = counter(
      registry,
      'antipode_edge_hand_overs_total',
      'Calls that were to move to another core while their own lives.',
      ['reason', 'outcome'],
    );
    this.handOverGap = histogram(
      registry,
      'antipode_edge_hand_over_gap_seconds',
      'From the pause of the core that a living call left until the next one heard and might speak.',
      HAND_OVER_SECONDS_BUCKETS,
      ['reason'],
    );
    this.reflexDucks = counter(
      registry,
      'antipode_edge_reflex_ducks_total',
      'Sounds of callers for which the agent was silenced here, by what became of it.',
      ['outcome'],
    );
    this.reflexHeld = histogram(
      registry,
      'antipode_edge_reflex_held_seconds',
      'How long the agent was silenced here before it went on or was cut off.',
      HELD_SECONDS_BUCKETS,
    );
    this.reflexUnavailable = counter(
      registry,
      'antipode_edge_reflex_unavailable_total',
      'Calls whose audio does not tell how loud it is.',
    );
    const uplink = counter(
      registry,
      'antipode_edge_uplink_packets_total',
      "Callers' packets, by what became of them.",
      ['result'],
    );
    const downlink = counter(
      registry,
      'antipode_edge_downlink_packets_total',
      "Cores' packets, by what became of them.",
      ['result'],
    );
    this.#uplink = mapped(UPLINK_RESULTS, (result) => uplink.labels(result));
    this.#downlink = mapped(DOWNLINK_RESULTS, (result) => downlink.labels(result));
  }

  readonly countUplink = (result: UplinkResult): void => {
    this.uplinkTotals[result] += 1;
    this.#uplink[result].inc();
  };

  readonly countDownlink = (result: DownlinkResult): void => {
    this.downlinkTotals[result] += 1;
    this.#downlink[result].inc();
  };
}

function zeros<R extends string>(results: R[]): Record<R, number> {
  return mapped(results, () => 0);
}

function mapped<R extends string, V>(results: R[], make: (result: R) => V): Record<R, V> {
  return Object.fromEntries(results.map((result) => [result, make(result)])) as Record<R, V>;
}
