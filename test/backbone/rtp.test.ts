import { describe, expect, test } from 'vitest';
import { AUDIO_LEVEL_EXTENSION_ID, buildRtp, parseRtp, seqDelta, tsDelta } from '../../src/backbone/index.ts';

const payload = Buffer.from('0123456789abcdef', 'hex');
const packet = {
  payloadType: 100,
  marker: true,
  sequenceNumber: 65_535,
  timestamp: 0xffff_fc40,
  ssrc: 0xdead_beef,
  payload,
};

/** A packet by hand: 12 bytes of header with `first` as first byte, then `rest`. */
function raw(first: number, rest: Buffer, wireSequenceNumber = 7): Buffer {
  const header = Buffer.alloc(12);
  header[0] = first;
  header[1] = 100;
  header.writeUInt16BE(wireSequenceNumber, 2);
  return Buffer.concat([header, rest]);
}

describe('parseRtp', () => {
  test('reads back what buildRtp wrote', () => {
    const built = buildRtp(packet);
    const view = parseRtp(built);
    expect(view).toMatchObject({
      payloadType: 100,
      marker: true,
      sequenceNumber: 65_535,
      timestamp: 0xffff_fc40,
      ssrc: 0xdead_beef,
      payloadOffset: 24,
      payloadLength: 8,
    });
    expect(view?.payload.equals(payload)).toBe(true);
    expect(view?.payload.buffer).toBe(built.buffer);
  });

  test('reads back how loud a packet is, which makes it no longer', () => {
    const built = buildRtp({ ...packet, audioLevel: 0x80 | 30 });
    expect(parseRtp(built)?.extension(AUDIO_LEVEL_EXTENSION_ID)).toEqual(Buffer.from([0x80 | 30]));
    expect(parseRtp(built)?.packetNumber).toBe(65_535);
    expect(built).toHaveLength(buildRtp(packet).length);
    expect(parseRtp(buildRtp(packet))?.extension(AUDIO_LEVEL_EXTENSION_ID)).toBeNull();
  });

  test('reads the number from the header extension when the header says another, as after a mediasoup consumer', () => {
    const built = buildRtp({ ...packet, sequenceNumber: 70_000 });
    built.writeUInt16BE(12_345, 2);
    const view = parseRtp(built);
    expect(view?.sequenceNumber).toBe(70_000 - 65_536);
    expect(view?.packetNumber).toBe(70_000);
    expect(view?.wireSequenceNumber).toBe(12_345);
  });

  test('takes the number from the header of a packet that carries none of ours', () => {
    const view = parseRtp(buildRtp({ ...packet, numbered: false }));
    expect(view).toMatchObject({ sequenceNumber: 65_535, packetNumber: null, payloadOffset: 12, payloadLength: 8 });
  });

  test('skips contributing sources and leaves padding out of the payload', () => {
    const view = parseRtp(raw(0xa2, Buffer.from('1111111122222222aabbcc000003', 'hex')));
    expect(view?.payloadOffset).toBe(20);
    expect(view?.payload.toString('hex')).toBe('aabbcc');
  });

  test('finds extensions of one byte headers, past padding bytes', () => {
    const view = parseRtp(raw(0x90, Buffer.from('bede0002100a0000608500ffaa', 'hex')));
    expect(view?.extension(1)?.toString('hex')).toBe('0a');
    expect(view?.extension(6)?.toString('hex')).toBe('85');
    expect(view?.extension(2)).toBeNull();
    expect(view?.payload.toString('hex')).toBe('aa');
  });

  test('finds extensions of two byte headers, empty ones and high ids too', () => {
    const view = parseRtp(raw(0x90, Buffer.from('10000002010000c80299880000', 'hex')));
    expect(view?.extension(1)?.length).toBe(0);
    expect(view?.extension(200)?.toString('hex')).toBe('9988');
  });

  test('ends at the reserved id 15 and at an extension that would run over', () => {
    expect(parseRtp(raw(0x90, Buffer.from('bede0001f0610000', 'hex')))?.extension(6)).toBeNull();
    expect(parseRtp(raw(0x90, Buffer.from('bede0001006f0102', 'hex')))?.extension(6)).toBeNull();
    expect(parseRtp(raw(0x90, Buffer.from('1000000100000006', 'hex')))?.extension(6)).toBeNull();
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['eleven bytes', Buffer.alloc(11, 0x80)],
    ['version 1', raw(0x40, payload)],
    ['contributing sources beyond the end', raw(0x8f, payload)],
    ['an extension header cut short', raw(0x90, Buffer.from('bede00', 'hex'))],
    ['an extension beyond the end', raw(0x90, Buffer.from('bede000900000000', 'hex'))],
    ['padding of zero bytes', raw(0xa0, Buffer.from('aa00', 'hex'))],
    ['more padding than packet', raw(0xa0, Buffer.from('aa09', 'hex'))],
  ])('refuses %s', (_what, bytes) => {
    expect(parseRtp(bytes)).toBeNull();
  });

  test('never throws or reads beyond the packet, whatever the bytes', () => {
    let seed = 42;
    const random = () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed >>> 16;
    };
    let parsed = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(Array.from({ length: 12 + (random() % 40) }, () => random() & 0xff));
      bytes[0] = 0x80 | (random() & 0x3f);
      const extensionAt = 12 + 4 * (bytes[0] & 0x0f);
      if (round % 2 === 0 && extensionAt + 4 <= bytes.length) {
        bytes.writeUInt16BE(round % 4 === 0 ? 0xbede : 0x1000, extensionAt);
        bytes.writeUInt16BE(random() % 6, extensionAt + 2);
      }
      const view = parseRtp(bytes);
      if (!view) continue;
      parsed += 1;
      for (let id = 1; id < 20; id++) view.extension(id);
      expect(view.payloadOffset + view.payloadLength).toBeLessThanOrEqual(bytes.length);
    }
    expect(parsed).toBeGreaterThan(1_000);
  });
});

describe('serial arithmetic', () => {
  test('seqDelta is signed and crosses the wrap', () => {
    expect(seqDelta(5, 3)).toBe(2);
    expect(seqDelta(3, 5)).toBe(-2);
    expect(seqDelta(0, 65_535)).toBe(1);
    expect(seqDelta(65_535, 0)).toBe(-1);
    expect(seqDelta(0x8000, 0)).toBe(-32_768);
  });

  test('tsDelta is signed and crosses the wrap', () => {
    expect(tsDelta(960, 0xffff_fc40)).toBe(1_920);
    expect(tsDelta(0xffff_fc40, 960)).toBe(-1_920);
    expect(tsDelta(0x8000_0000, 0)).toBe(-0x8000_0000);
  });
});
