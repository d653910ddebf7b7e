/** Which points of presence this browser measured, in how many milliseconds, and that this decided. */
import type { PlacementView } from '../../../src/signaling/protocol.ts';
import { milliseconds, roundTrip } from '../client/milliseconds.ts';
import { probeRows, probeSummary } from '../client/probe-words.ts';

export function ProbesNote({ placement }: { placement: PlacementView }) {
  const summary = probeSummary(placement);
  if (summary === null) return null;
  return (
    <div className="probes" data-testid="probes">
      <p>{summary}</p>
      <ul>
        {probeRows(placement).map(({ pop, region, rttMs, bounded, chosen }) => (
          <li key={pop} data-pop={pop} data-chosen={chosen || undefined}>
            <b>{region}</b> <span>{pop}</span> <span className="figures">{roundTrip(rttMs)}</span>
            {bounded !== null && (
              <span>
                , counts as {milliseconds(bounded.countedMs)}: {bounded.why}
              </span>
            )}
            {chosen && <span>, this call</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}
