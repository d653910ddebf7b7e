/**
 * Opus behind our own interface: what the ear and the mouth need of a codec and no more. Owns the wasm handles; a
 * closed codec has given its memory back. Damaged packets are answered and counted, never thrown.
 */
import {
  Application,
  createDecoder,
  createEncoder,
  type OpusDecoderHandle,
  type OpusEncoderHandle,
  Signal,
} from 'libopus-wasm';
import { EAR_SAMPLE_RATE } from '../agent/types.ts';

/** Rates that libopus takes without resampling, Hz. */
export const OPUS_SAMPLE_RATES = [8_000, 12_000, 16_000, 24_000, 48_000] as const;
export type OpusSampleRate = (typeof OPUS_SAMPLE_RATES)[number];

/** Concealment and FEC come in steps of 2.5 ms, samples at 16 kHz. */
export const CONCEALMENT_STEP_SAMPLES = 40;

/** Decodes one stream to 16 kHz mono. Every answer is fresh memory that belongs to the caller. */
export interface OpusDecoder {
  /** Any packet of 2.5 to 120 ms, mono or stereo; null when it is damaged. */
  decode(packet: Uint8Array): Int16Array | null;
  /**
   * The audio before `packet` from the copy that it carries; concealment where it carries none.
   * @param samples a multiple of CONCEALMENT_STEP_SAMPLES, 120 ms at most
   */
  decodeFec(packet: Uint8Array, samples: number): Int16Array | null;
  /**
   * A guess at audio that was lost, from what came before; it fades.
   * @param samples a multiple of CONCEALMENT_STEP_SAMPLES, 120 ms at most
   */
  conceal(samples: number): Int16Array;
  /** Packets that could not be decoded so far. */
  readonly damagedPackets: number;
  close(): void;
}

/** Encodes 20 ms mono frames. */
export interface OpusEncoder {
  readonly sampleRate: OpusSampleRate;
  /** Samples of 20 ms. */
  readonly frameSamples: number;
  /** @param pcm exactly `frameSamples`, full scale +-32768 */
  encode(pcm: Int16Array): Uint8Array;
  close(): void;
}

export async function createOpusDecoder(): Promise<OpusDecoder> {
  return new WasmDecoder(await createDecoder({ sampleRate: EAR_SAMPLE_RATE, channels: 1 }));
}

export interface OpusEncoderOptions {
  sampleRate: OpusSampleRate;
  /** Defaults to what speech needs at the rate: 24 to 48 kbit/s, 16 to 32 for loss. */
  bitsPerSecond?: number;
  /** 0 to 10. @defaultValue 0 */
  complexity?: number;
  /**
   * How much loss the in-band FEC is made for. FEC is SILK's, which takes three times the CPU time of CELT and delays by
   * 6.5 ms instead of 2.5; 0 is CELT without FEC.
   * @defaultValue 0
   */
  expectedLossPercent?: number;
}

/** At CELT the others cost more and bring nothing on speech, at SILK 5 costs twice as much (docs/decisions.md). */
const DEFAULT_COMPLEXITY = 0;
const CELT_BITS_PER_SECOND: Record<OpusSampleRate, number> = {
  8000: 24_000,
  12000: 28_000,
  16000: 32_000,
  24000: 40_000,
  48000: 48_000,
};
const SILK_BITS_PER_SECOND: Record<OpusSampleRate, number> = {
  8000: 16_000,
  12000: 20_000,
  16000: 24_000,
  24000: 28_000,
  48000: 32_000,
};

export type OpusEncoderFactory = (options: OpusEncoderOptions) => Promise<OpusEncoder>;

export async function createOpusEncoder(options: OpusEncoderOptions): Promise<OpusEncoder> {
  const { sampleRate, expectedLossPercent = 0 } = options;
  const withFec = expectedLossPercent > 0;
  const handle = await createEncoder({
    sampleRate,
    channels: 1,
    application: withFec ? Application.Voip : Application.RestrictedLowDelay,
    signal: Signal.Voice,
    bitrate: options.bitsPerSecond ?? (withFec ? SILK_BITS_PER_SECOND : CELT_BITS_PER_SECOND)[sampleRate],
    complexity: options.complexity ?? DEFAULT_COMPLEXITY,
    fec: withFec,
    packetLossPercent: expectedLossPercent,
  });
  return new WasmEncoder(handle, sampleRate);
}

/** Whether libopus takes the rate as it is. */
export function isOpusSampleRate(rate: number): rate is OpusSampleRate {
  return (OPUS_SAMPLE_RATES as readonly number[]).includes(rate);
}

/** The lowest rate that keeps all that audio of `rate` Hz holds. */
export function opusSampleRateFor(rate: number): OpusSampleRate {
  return OPUS_SAMPLE_RATES.find((candidate) => candidate >= rate) ?? 48_000;
}

class WasmDecoder implements OpusDecoder {
  readonly #handle: OpusDecoderHandle;
  readonly #fecOptions = { decodeFec: true, frameSize: 0 };
  damagedPackets = 0;

  constructor(handle: OpusDecoderHandle) {
    this.#handle = handle;
  }

  decode(packet: Uint8Array): Int16Array | null {
    try {
      return this.#handle.decode(packet);
    } catch {
      this.damagedPackets += 1;
      return null;
    }
  }

  decodeFec(packet: Uint8Array, samples: number): Int16Array | null {
    this.#fecOptions.frameSize = samples;
    try {
      return this.#handle.decode(packet, this.#fecOptions);
    } catch {
      this.damagedPackets += 1;
      return null;
    }
  }

  conceal(samples: number): Int16Array {
    return this.#handle.decodePacketLoss(samples);
  }

  close(): void {
    this.#handle.free();
  }
}

class WasmEncoder implements OpusEncoder {
  readonly #handle: OpusEncoderHandle;
  readonly sampleRate: OpusSampleRate;
  readonly frameSamples: number;

  constructor(handle: OpusEncoderHandle, sampleRate: OpusSampleRate) {
    this.#handle = handle;
    this.sampleRate = sampleRate;
    this.frameSamples = sampleRate / 50;
  }

  encode(pcm: Int16Array): Uint8Array {
    return this.#handle.encode(pcm);
  }

  close(): void {
    this.#handle.free();
  }
}
