/**
 * RTP packets as they lie in a Buffer: reading (RFC 3550 header, RFC 8285 header extensions), building, and the serial
 * arithmetic of their numbers. Owns the header extension in which our own packets carry their number past mediasoup.
 * Knows nothing of transports or of what the payload means.
 *
 * Why a number of our own: a mediasoup Consumer shifts the sequence numbers of a stream by an offset that it draws at
 * its start, and once more for every packet without payload that it swallows. Timestamps, markers and payloads arrive
 * as sent. So `buildRtp` writes the number twice, in the RTP header and in the extension `PACKET_NUMBER_EXTENSION_URI`
 * (4 bytes, big endian), which mediasoup hands through untouched, and `parseRtp` prefers the latter.
 */

/** Header extension of our packet number; mediasoup's routers hand an existing value through. */
export const PACKET_NUMBER_EXTENSION_URI = 'urn:mediasoup:params:rtp-hdrext:packet-id';
/** Its id on every router (mediasoup's own preferred id). */
export const PACKET_NUMBER_EXTENSION_ID = 12;
/** RFC 6464 client-to-mixer audio level: one byte, top bit voice, the rest -dBov. */
export const AUDIO_LEVEL_EXTENSION_URI = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';
/** Its id on every router, as on every packet that a DirectTransport consumer gives. */
export const AUDIO_LEVEL_EXTENSION_ID = 6;

const FIXED_HEADER_BYTES = 12;
const ONE_BYTE_PROFILE = 0xbede;
const TWO_BYTE_PROFILE = 0x1000;
/** Extension header, id/length byte, four bytes of number, three of padding. */
const NUMBER_EXTENSION_BYTES = 12;

/** One packet, read in place: nothing is copied, so it is valid for as long as `packet` is. */
export class RtpView {
  readonly packet: Buffer;
  readonly payloadType: number;
  readonly marker: boolean;
  /**
   * 16 bits: the number that the sender gave to `buildRtp` (its low 16 bits) when the packet carries it, else that of
   * the RTP header. A caller's packets carry none of ours unless their rtpParameters ask for the extension.
   */
  readonly sequenceNumber: number;
  /** 32 bits, 48 kHz for Opus. */
  readonly timestamp: number;
  readonly ssrc: number;
  /** First byte of the payload in `packet`. */
  readonly payloadOffset: number;
  /** Bytes of payload, padding left out. */
  readonly payloadLength: number;

  constructor(packet: Buffer, payloadOffset: number, payloadLength: number) {
    const second = packet.readUInt8(1);
    this.packet = packet;
    this.payloadType = second & 0x7f;
    this.marker = (second & 0x80) !== 0;
    this.timestamp = packet.readUInt32BE(4);
    this.ssrc = packet.readUInt32BE(8);
    this.payloadOffset = payloadOffset;
    this.payloadLength = payloadLength;
    const number = this.packetNumber;
    this.sequenceNumber = number === null ? this.wireSequenceNumber : number & 0xffff;
  }

  /** The RTP header's own sequence number, shifted by every mediasoup consumer on the way. */
  get wireSequenceNumber(): number {
    return this.packet.readUInt16BE(2);
  }

  /** All 32 bits of the number given to `buildRtp`, or null when the packet carries none. */
  get packetNumber(): number | null {
    const at = findExtension(this.packet, PACKET_NUMBER_EXTENSION_ID);
    return at !== 0 && at >>> 16 === 4 ? this.packet.readUInt32BE(at & 0xffff) : null;
  }

  /** The payload, a view of `packet`. */
  get payload(): Buffer {
    return this.packet.subarray(this.payloadOffset, this.payloadOffset + this.payloadLength);
  }

  /** Value of the header extension `id` (1 to 255), a view of `packet`, or null when it is absent or malformed. */
  extension(id: number): Buffer | null {
    const at = findExtension(this.packet, id);
    return at === 0 ? null : this.packet.subarray(at & 0xffff, (at & 0xffff) + (at >>> 16));
  }
}

/** `packet` as RTP, or null when it is not (wrong version, cut short, extension or padding beyond its end). */
export function parseRtp(packet: Buffer): RtpView | null {
  const length = packet.length;
  if (length < FIXED_HEADER_BYTES || length > 0xffff) return null;
  const first = packet.readUInt8(0);
  if (first >> 6 !== 2) return null;
  let offset = FIXED_HEADER_BYTES + (first & 0x0f) * 4;
  if (first & 0x10) {
    if (length < offset + 4) return null;
    offset += 4 + packet.readUInt16BE(offset + 2) * 4;
  }
  if (offset > length) return null;
  let padding = 0;
  if (first & 0x20) {
    padding = packet.readUInt8(length - 1);
    if (padding === 0 || offset + padding > length) return null;
  }
  return new RtpView(packet, offset, length - offset - padding);
}

/** Where extension `id` lies in a packet whose header was checked: length << 16 | offset, or 0 when it is not there. */
function findExtension(packet: Buffer, id: number): number {
  const first = packet.readUInt8(0);
  if (!(first & 0x10)) return 0;
  const start = FIXED_HEADER_BYTES + (first & 0x0f) * 4;
  const profile = packet.readUInt16BE(start);
  const oneByte = profile === ONE_BYTE_PROFILE;
  if (!oneByte && (profile & 0xfff0) !== TWO_BYTE_PROFILE) return 0;
  const end = start + 4 + packet.readUInt16BE(start + 2) * 4;
  let at = start + 4;
  while (at < end) {
    const head = packet.readUInt8(at);
    if (oneByte ? head >> 4 === 0 : head === 0) {
      at += 1;
      continue;
    }
    if (oneByte && head >> 4 === 15) return 0;
    if (!oneByte && at + 1 >= end) return 0;
    const foundId = oneByte ? head >> 4 : head;
    const length = oneByte ? (head & 0x0f) + 1 : packet.readUInt8(at + 1);
    const value = at + (oneByte ? 1 : 2);
    if (value + length > end) return 0;
    if (foundId === id) return (length << 16) | value;
    at = value + length;
  }
  return 0;
}

export interface BuildRtpOptions {
  payloadType: number;
  marker: boolean;
  /** 16 bits, or up to 32 when the sender counts on past the wrap: all of them travel in the packet number extension. */
  sequenceNumber: number;
  /** 32 bits. */
  timestamp: number;
  ssrc: number;
  payload: Uint8Array;
  /**
   * Whether the packet carries its number past mediasoup's renumbering, for 12 bytes more. A stream that ends at a
   * browser doesn't need it.
   * @defaultValue true
   */
  numbered?: boolean;
  /** RFC 6464 byte of a numbered packet: top bit voice, the rest -dBov; none when absent. */
  audioLevel?: number | undefined;
}

/** A fresh packet of its own memory. Numbers out of range are taken modulo their width. */
export function buildRtp(options: BuildRtpOptions): Buffer {
  const numbered = options.numbered ?? true;
  const offset = FIXED_HEADER_BYTES + (numbered ? NUMBER_EXTENSION_BYTES : 0);
  const packet = Buffer.allocUnsafe(offset + options.payload.length);
  packet[0] = numbered ? 0x90 : 0x80;
  packet[1] = (options.marker ? 0x80 : 0) | (options.payloadType & 0x7f);
  packet.writeUInt16BE(options.sequenceNumber & 0xffff, 2);
  packet.writeUInt32BE(options.timestamp >>> 0, 4);
  packet.writeUInt32BE(options.ssrc >>> 0, 8);
  if (numbered) {
    packet.writeUInt16BE(ONE_BYTE_PROFILE, 12);
    packet.writeUInt16BE(2, 14);
    packet[16] = (PACKET_NUMBER_EXTENSION_ID << 4) | 3;
    packet.writeUInt32BE(options.sequenceNumber >>> 0, 17);
    packet.fill(0, 21, 24);
    if (options.audioLevel !== undefined) {
      packet[21] = AUDIO_LEVEL_EXTENSION_ID << 4;
      packet[22] = options.audioLevel & 0xff;
    }
  }
  packet.set(options.payload, offset);
  return packet;
}

/** How far `a` is ahead of `b` on the 16-bit circle: -32768 to 32767. RFC 1982. */
export function seqDelta(a: number, b: number): number {
  return ((a - b) << 16) >> 16;
}

/** How far `a` is ahead of `b` on the 32-bit circle: -2^31 to 2^31 - 1. RFC 1982. */
export function tsDelta(a: number, b: number): number {
  return (a - b) | 0;
}
