/** What is known of the ways to cores, as metrics that are read when they are asked for. Owns their names. */
import { type Counter, counter, type Gauge, gauge, type Registry } from '../telemetry/index.ts';
import type { CoreLink } from './core-link.ts';
import type { MeasuredWay } from './pipe-set.ts';

type Labels = 'core' | 'way';

export class PathMetrics {
  /** Media of a worker changed to another way: to which, and how the one was that it left. */
  readonly changes: Counter<'way' | 'left'>;

  /** @param links those that are open now */
  constructor(registry: Registry, links: () => readonly CoreLink[]) {
    this.changes = counter(registry, 'antipode_backbone_way_changes_total', 'Changes of the way that media takes.', [
      'way',
      'left',
    ]);
    const tell = (name: string, help: string, read: (way: MeasuredWay) => number | null) => {
      const metric: Gauge<Labels> & { collect?: () => void } = gauge<Labels>(registry, name, help, ['core', 'way']);
      // prom-client calls it when the metric is asked for.
      metric.collect = () => {
        metric.reset();
        for (const link of links()) {
          for (const way of link.ways) {
            const value = read(way);
            if (value !== null) metric.set({ core: link.coreNodeId, way: way.name }, value);
          }
        }
      };
    };
    const seconds = (ms: number | null | undefined) => (typeof ms === 'number' ? ms / 1_000 : null);
    tell('antipode_backbone_path_rtt_seconds', 'Median round trip of probes to a core.', ({ quality }) =>
      seconds(quality?.rttMs?.p50),
    );
    tell('antipode_backbone_path_jitter_seconds', 'Mean difference between two round trips.', ({ quality }) =>
      seconds(quality?.jitterMs),
    );
    tell('antipode_backbone_path_loss_ratio', 'Share of the probes that did not come back.', ({ quality }) =>
      quality !== null && quality.probes > 0 ? quality.loss : null,
    );
    tell('antipode_backbone_path_used', 'Whether media takes this way (1) or could (0).', ({ inUse }) =>
      inUse ? 1 : 0,
    );
  }
}
