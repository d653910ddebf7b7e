import { expect, test } from 'vitest';
import { readNetwork } from '../../web/src/client/network-sample.ts';

const CHROME = [
  { type: 'transport', id: 'T1', selectedCandidatePairId: 'P1' },
  { type: 'candidate-pair', id: 'P1', currentRoundTripTime: 0.02, localCandidateId: 'L1' },
  { type: 'candidate-pair', id: 'P9', currentRoundTripTime: 0.9, localCandidateId: 'L9' },
  { type: 'local-candidate', id: 'L1', protocol: 'udp' },
  { type: 'transport', id: 'T2', selectedCandidatePairId: 'P2' },
  { type: 'candidate-pair', id: 'P2', currentRoundTripTime: 0.03, localCandidateId: 'L1' },
  { type: 'inbound-rtp', packetsReceived: 500, packetsLost: 2 },
];

test('the round trip is the mean of the pairs in use, and no other pair’s', () => {
  expect(readNetwork(CHROME)).toEqual({ rttMs: 25, packetsReceived: 500, packetsLost: 2, protocol: 'udp' });
});

test('Firefox marks the pair itself', () => {
  const pair = { type: 'candidate-pair', id: 'P1', selected: true, currentRoundTripTime: 0.01 };
  expect(readNetwork([pair]).rttMs).toBe(10);
});

test('before the first check nothing is claimed', () => {
  expect(readNetwork([])).toEqual({ rttMs: null, packetsReceived: 0, packetsLost: 0, protocol: null });
});
