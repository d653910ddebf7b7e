import { describe, expect, it } from 'vitest';
import { makePipeKey, PipeSrtp } from '../../bench/fake-pop/pipe-srtp.ts';
import { buildRtp } from '../../src/backbone/index.ts';

function packet(sequenceNumber: number): Buffer {
  return buildRtp({
    payloadType: 100,
    marker: false,
    sequenceNumber,
    timestamp: 960,
    ssrc: 7,
    payload: Buffer.from('twenty milliseconds'),
  });
}

describe('the SRTP of a fake pipe', () => {
  it('gives back what was protected, across the roll-over of the sequence number', () => {
    const key = makePipeKey();
    const [ours, theirs] = [new PipeSrtp(key), new PipeSrtp(key)];
    for (const number of [0, 65_535, 65_536, 200_000]) {
      const sent = ours.protect(packet(number), 24, number);
      expect(sent.length).toBe(24 + 19 + 16);
      expect(theirs.unprotect(sent, 24, number).toString()).toBe('twenty milliseconds');
    }
  });

  it('leaves the header readable and hides the payload', () => {
    const plain = packet(5);
    const sent = new PipeSrtp(makePipeKey()).protect(plain, 24, 5);
    expect(sent.subarray(0, 24)).toEqual(plain.subarray(0, 24));
    expect(sent.includes('twenty')).toBe(false);
  });

  it('refuses a changed header, another roll-over counter and another key', () => {
    const key = makePipeKey();
    const sent = new PipeSrtp(key).protect(packet(5), 24, 5);
    expect(() => new PipeSrtp(key).unprotect(sent, 24, 5 + 65_536)).toThrow();
    expect(() => new PipeSrtp(makePipeKey()).unprotect(sent, 24, 5)).toThrow();
    sent[5]! ^= 1;
    expect(() => new PipeSrtp(key).unprotect(sent, 24, 5)).toThrow();
  });

  it('refuses keys of another length', () => {
    expect(() => new PipeSrtp({ cryptoSuite: 'AEAD_AES_256_GCM', keyBase64: 'c2hvcnQ=' })).toThrow('5 bytes');
  });
});
