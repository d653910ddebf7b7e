/** What WebRTC's own statistics (W3C webrtc-stats) say of the path between page and POP. Pure. */

export interface NetworkSample {
  /** Round trip of the ICE pairs in use (their mean: one each for sending and receiving), ms; null before the first check. */
  rttMs: number | null;
  /** Packets of the agent's voice that arrived and that did not, since the transport began. */
  packetsReceived: number;
  packetsLost: number;
  /** Whether media goes over UDP or had to fall back to TCP; null before a pair is in use. */
  protocol: 'udp' | 'tcp' | null;
}

/** Entries of one or more RTCStatsReports in any order. */
export function readNetwork(entries: readonly Record<string, unknown>[]): NetworkSample {
  const sample: NetworkSample = { rttMs: null, packetsReceived: 0, packetsLost: 0, protocol: null };
  const selected = new Set<unknown>();
  const candidates = new Map<unknown, Record<string, unknown>>();
  for (const entry of entries) {
    if (entry.type === 'transport') selected.add(entry.selectedCandidatePairId);
    if (entry.type === 'local-candidate') candidates.set(entry.id, entry);
    if (entry.type === 'inbound-rtp') {
      sample.packetsReceived += numberOf(entry.packetsReceived) ?? 0;
      sample.packetsLost += numberOf(entry.packetsLost) ?? 0;
    }
  }
  const roundTrips: number[] = [];
  for (const entry of entries) {
    // Firefox has no transport entries and marks the pair itself.
    if (entry.type !== 'candidate-pair' || !(selected.has(entry.id) || entry.selected === true)) continue;
    const seconds = numberOf(entry.currentRoundTripTime);
    if (seconds !== null) roundTrips.push(seconds * 1_000);
    const protocol = candidates.get(entry.localCandidateId)?.protocol;
    if (protocol === 'udp' || protocol === 'tcp') sample.protocol = protocol;
  }
  if (roundTrips.length > 0) sample.rttMs = roundTrips.reduce((sum, ms) => sum + ms, 0) / roundTrips.length;
  return sample;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
