/**
 * Where the call runs: the caller, the POP and the core as stations of one line, with the measured legs between, and
 * below it what placement predicted.
 */
import type { PlacementView } from '../../../src/signaling/protocol.ts';
import { roundTrip } from '../client/milliseconds.ts';
import type { NetworkSample } from '../client/network-sample.ts';
import { PredictionNote } from './prediction-note.tsx';
import { ProbesNote } from './probes-note.tsx';

interface RoutePanelProps {
  placement: PlacementView;
  /** Another core has the call since. */
  movedOn: boolean;
  network: NetworkSample | null;
  /** POP-core round trip of the newest turn, ms. */
  backboneRttMs: number | null;
}

export function RoutePanel({ placement, movedOn, network, backboneRttMs }: RoutePanelProps) {
  const { caller, pop, core } = placement;
  return (
    <section className="panel route" aria-labelledby="route-heading" data-testid="placement">
      <header className="panel-head">
        <h2 id="route-heading">Where this call runs</h2>
      </header>
      <ol className="stations">
        <li className="station station-caller">
          <b>{callerName(caller)}</b>
          <span>You: {caller.how}</span>
        </li>
        <li className="leg figures">{leg(network?.rttMs ?? null, network?.protocol ?? null)}</li>
        <li className="station station-pop">
          <b>{pop.region}</b>
          <span>Point of presence {pop.nodeId}</span>
        </li>
        <li className="leg figures">{leg(backboneRttMs, null)}</li>
        <li className="station station-core">
          <b>{core.region}</b>
          <span>
            Core {core.nodeId}, {movedOn ? 'where the agent began; it runs on another one now' : 'where the agent runs'}
          </span>
        </li>
      </ol>
      <p className="route-reason">{placement.reason}</p>
      <ProbesNote placement={placement} />
      {placement.prediction && <PredictionNote prediction={placement.prediction} region={core.region} />}
    </section>
  );
}

function leg(rttMs: number | null, protocol: 'udp' | 'tcp' | null): string {
  if (rttMs === null) return 'not measured yet';
  return `${roundTrip(rttMs)} there and back${protocol === 'tcp' ? ', over TCP' : ''}`;
}

function callerName(caller: PlacementView['caller']): string {
  const country = caller.country === null ? null : countryName(caller.country);
  return [caller.city, country].filter((name) => name !== null).join(', ') || 'Place unknown';
}

function countryName(code: string): string {
  try {
    return new Intl.DisplayNames(['en'], { type: 'region' }).of(code) ?? code;
  } catch {
    return code;
  }
}
