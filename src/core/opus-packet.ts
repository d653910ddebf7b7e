/**
 * What the first bytes of an Opus packet say without decoding it (RFC 6716, sections 3.1, 3.2 and 4.2.3): how long it
 * lasts and whether it carries a copy of the frame before it. Owns no codec.
 */

/** Longest packet that RFC 6716 allows, 48 kHz samples (120 ms). */
const MAX_PACKET_SAMPLES = 5_760;
const MAX_EMPTY_BYTES = 2;
const SILK_FRAME_SAMPLES = [480, 960, 1_920, 2_880];
const HYBRID_FRAME_SAMPLES = [480, 960];
const CELT_FRAME_SAMPLES = [120, 240, 480, 960];
/** First configuration number of hybrid and of CELT-only packets. */
const FIRST_HYBRID = 12;
const FIRST_CELT = 16;

/** Length of one frame of the packet, 48 kHz samples. The packet has at least one byte. */
export function opusFrameSamples(packet: Uint8Array): number {
  const configuration = (packet[0] as number) >> 3;
  if (configuration < FIRST_HYBRID) return SILK_FRAME_SAMPLES[configuration & 3] as number;
  if (configuration < FIRST_CELT) return HYBRID_FRAME_SAMPLES[configuration & 1] as number;
  return CELT_FRAME_SAMPLES[configuration & 3] as number;
}

/** Length of the whole packet, 48 kHz samples; 0 when its head is malformed. */
export function opusPacketSamples(packet: Uint8Array): number {
  if (packet.length === 0) return 0;
  const code = (packet[0] as number) & 3;
  let frames = code === 0 ? 1 : 2;
  if (code === 3) {
    if (packet.length < 2) return 0;
    frames = (packet[1] as number) & 0x3f;
  }
  const samples = frames * opusFrameSamples(packet);
  return samples <= MAX_PACKET_SAMPLES ? samples : 0;
}

/**
 * Whether the sender has begun to send nothing: libopus makes a frame without content of it (its head alone, or with a
 * count), and browsers send the first of such frames only.
 */
export function opusPacketIsEmpty(packet: Uint8Array): boolean {
  return packet.length > 0 && packet.length <= MAX_EMPTY_BYTES;
}

/**
 * Whether the packet carries in-band FEC: a coarser copy of the frame before its first one. CELT never does; in SILK
 * and hybrid frames the flag follows the voice activity bits at the head of the first frame, per channel.
 */
export function opusPacketHasFec(packet: Uint8Array): boolean {
  if (packet.length === 0 || (packet[0] as number) >> 3 >= FIRST_CELT) return false;
  const offset = firstFrameOffset(packet);
  if (offset === 0 || offset >= packet.length) return false;
  const head = packet[offset] as number;
  const silkFrames = Math.max(1, opusFrameSamples(packet) / 960);
  const middle = (head >> (7 - silkFrames)) & 1;
  const stereo = ((packet[0] as number) & 4) !== 0;
  return middle === 1 || (stereo && ((head >> (6 - 2 * silkFrames)) & 1) === 1);
}

/** Where the first frame's data begins; 0 when the frame is empty (DTX) or the head malformed. */
function firstFrameOffset(packet: Uint8Array): number {
  const code = (packet[0] as number) & 3;
  if (code === 0 || code === 1) return packet.length > 1 ? 1 : 0;
  if (code === 2) return sizedFrameOffset(packet, 1, 1);
  if (packet.length < 2) return 0;
  const countByte = packet[1] as number;
  const frames = countByte & 0x3f;
  let at = 2;
  if (countByte & 0x40) {
    let more = 255;
    while (more === 255 && at < packet.length) more = packet[at++] as number;
  }
  if (countByte & 0x80) return sizedFrameOffset(packet, at, frames - 1);
  return at < packet.length ? at : 0;
}

/** Skips `sizes` frame lengths of one or two bytes; 0 when the first of them is zero or the packet ends before. */
function sizedFrameOffset(packet: Uint8Array, from: number, sizes: number): number {
  let at = from;
  for (let index = 0; index < sizes; index++) {
    const size = packet[at];
    if (size === undefined || (index === 0 && size === 0)) return 0;
    at += size >= 252 ? 2 : 1;
  }
  return at < packet.length ? at : 0;
}
