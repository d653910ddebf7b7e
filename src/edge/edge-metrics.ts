/** What the edge counts: its metrics on the process's registry, and the same packet totals as plain numbers. */
import { type Counter, counter, type Gauge, gauge, type Registry } from '../telemetry/index.ts';
import type { DownlinkResult } from './downlink-writer.ts';
import type { UplinkResult } from './uplink-tap.ts';

/** Why a caller's media did not come about. */
export type MediaFailure = 'timeout' | 'dtls' | 'parameters';

const UPLINK_RESULTS: UplinkResult[] = ['forwarded', 'duplicate', 'late', 'malformed', 'flood', 'overwritten'];
const DOWNLINK_RESULTS: DownlinkResult[] = ['written', 'stale_epoch', 'late', 'duplicate', 'flushed', 'malformed'];

export class EdgeMetrics {
  readonly calls: Gauge;
  readonly callsEnded: Counter<'code'>;
  readonly mediaFailures: Counter<'reason'>;
  readonly mediaLost: Counter;
  readonly repipes: Counter<'result'>;
  readonly staleEvents: Counter;
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
