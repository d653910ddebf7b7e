/**
 * What a light caller says: a loop of prerecorded Opus, speech with a chirp every half second, and where that chirp
 * lies in the loop. Speech because an echo agent has to encode it anew, and silence would be too cheap to encode.
 */
import { Application, createDecoder, createEncoder } from 'libopus-wasm';
import { chirp, PROBE_FRAME_SAMPLES, PROBE_RATE } from './chirp.ts';
import { ChirpDetector } from './chirp-detector.ts';

/** 20 ms frames from one chirp to the next: a trip must be shorter than this half second to be told apart. */
export const CHIRP_PERIOD_FRAMES = 25;
/** Frames of the loop. */
const LOOP_FRAMES = 8 * CHIRP_PERIOD_FRAMES;
/** From its first frame a period holds the chirp and silence for so many frames... */
const CLEAR_AFTER_FRAMES = 4;
/** ...and silence again for so many before the next. */
const CLEAR_BEFORE_FRAMES = 2;

const SOURCE_RATE = 48_000;
const SOURCE_FRAME_SAMPLES = 960;
/** Where the chirp begins in its frame, ms: so that codec delays move it across no frame's edge in the reference. */
const CHIRP_OFFSET_MS = 5;

/** Frame `frame` of the loop: speech, but around the chirp nothing else than the chirp. */
function sourceFrame(speech: Int16Array, wave: Float32Array, frame: number): Int16Array {
  const pcm = new Int16Array(SOURCE_FRAME_SAMPLES);
  const begin = (CHIRP_OFFSET_MS * SOURCE_RATE) / 1_000;
  const inPeriod = frame % CHIRP_PERIOD_FRAMES;
  const clear = inPeriod < CLEAR_AFTER_FRAMES || inPeriod >= CHIRP_PERIOD_FRAMES - CLEAR_BEFORE_FRAMES;
  for (let index = 0; index < pcm.length; index++) {
    const said = clear ? 0 : (speech[(frame * SOURCE_FRAME_SAMPLES + index) % speech.length] ?? 0) / 2;
    pcm[index] = Math.round(said + (wave[inPeriod * SOURCE_FRAME_SAMPLES + index - begin] ?? 0));
  }
  return pcm;
}

export interface ProbeSignal {
  /** Opus packets of 20 ms, to be sent in a ring. */
  packets: readonly Buffer[];
  /**
   * Samples (PROBE_RATE) from the beginning of a period to its chirp, when the packets are decoded directly: the
   * prerecording's own codec delay is in it and so in no measurement.
   */
  chirpAt: number;
}

/**
 * Record the loop.
 * @param speech 48 kHz mono, full scale +-32768; repeated as often as the four seconds of the loop need it
 */
export async function recordProbeSignal(speech: Int16Array): Promise<ProbeSignal> {
  const encoder = await createEncoder({
    channels: 1,
    sampleRate: SOURCE_RATE,
    frameSize: SOURCE_FRAME_SAMPLES,
    application: Application.Audio,
    bitrate: 32_000,
    complexity: 5,
  });
  const decoder = await createDecoder({ channels: 1, sampleRate: PROBE_RATE });
  try {
    const wave = chirp(SOURCE_RATE);
    const encoded: Buffer[] = [];
    // The second round follows on a first, so that the ring closes without a seam.
    for (let frame = 0; frame < 2 * LOOP_FRAMES; frame++) {
      encoded.push(Buffer.from(encoder.encode(sourceFrame(speech, wave, frame))));
    }
    const packets = encoded.slice(LOOP_FRAMES);
    const found: number[] = [];
    const detector = new ChirpDetector((position) => found.push(position));
    for (const [frame, packet] of [...packets, ...packets].entries()) {
      detector.push(decoder.decode(packet), frame * PROBE_FRAME_SAMPLES);
    }
    const period = CHIRP_PERIOD_FRAMES * PROBE_FRAME_SAMPLES;
    const places = found.slice(1).map((position) => position % period);
    if (places.length < 4) throw new Error('the recorded chirps could not be found in their own recording');
    return { packets, chirpAt: places.reduce((sum, place) => sum + place, 0) / places.length };
  } finally {
    encoder.free();
    decoder.free();
  }
}
