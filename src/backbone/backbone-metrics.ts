/** The control channel's counters, on the registry that is given. Owns their names. */
import { type Counter, counter, type Registry } from '../telemetry/index.ts';

/** Which end of the channel counts. */
export type ControlSide = 'pop' | 'core';

export interface BackboneMetrics {
  /** Channels that ended, by reason. */
  closes: Counter<'side' | 'reason'>;
  /** Connections that never became a channel, by reason. */
  refusals: Counter<'side' | 'reason'>;
  /** Frames that were read and not acted upon, by kind. */
  ignored: Counter<'side' | 'kind'>;
  /** Events that could not be sent because the channel was down. */
  dropped: Counter<'side'>;
  /** Peers that fell silent, and those that were only late. */
  suspicions: Counter<'side' | 'outcome'>;
  /** Connections that took a living channel over, by why. */
  renewals: Counter<'reason' | 'outcome'>;
}

export function backboneMetrics(registry: Registry): BackboneMetrics {
  return {
    closes: counter(registry, 'antipode_backbone_channel_closes_total', 'Control channels that ended.', [
      'side',
      'reason',
    ]),
    refusals: counter(registry, 'antipode_backbone_refusals_total', 'Connections that became no control channel.', [
      'side',
      'reason',
    ]),
    ignored: counter(registry, 'antipode_backbone_ignored_frames_total', 'Control frames read and not acted upon.', [
      'side',
      'kind',
    ]),
    dropped: counter(registry, 'antipode_backbone_dropped_events_total', 'Events not sent, the channel being down.', [
      'side',
    ]),
    suspicions: counter(registry, 'antipode_backbone_suspicions_total', 'Peers that fell silent for long.', [
      'side',
      'outcome',
    ]),
    renewals: counter(registry, 'antipode_backbone_renewals_total', 'Second connections for a living channel.', [
      'reason',
      'outcome',
    ]),
  };
}
