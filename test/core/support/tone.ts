/** Test sounds and ways to measure them. */

/** A sine of `frequency` Hz, amplitude 8000; `from` is the sample number at which it goes on. */
export function sine(frequency: number, sampleRate: number, samples: number, from = 0): Int16Array {
  const pcm = new Int16Array(samples);
  for (let index = 0; index < samples; index++) {
    pcm[index] = Math.round(8_000 * Math.sin((2 * Math.PI * frequency * (from + index)) / sampleRate));
  }
  return pcm;
}

export function concat(parts: readonly Int16Array[]): Int16Array {
  const whole = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Share of the signal's energy that is a sine of `frequency` Hz (any phase), 0 to 1. */
export function purity(pcm: Int16Array, frequency: number, sampleRate: number): number {
  let sine = 0;
  let cosine = 0;
  let energy = 0;
  for (let index = 0; index < pcm.length; index++) {
    const angle = (2 * Math.PI * frequency * index) / sampleRate;
    const sample = pcm[index] as number;
    sine += sample * Math.sin(angle);
    cosine += sample * Math.cos(angle);
    energy += sample * sample;
  }
  return energy === 0 ? 0 : (2 * (sine * sine + cosine * cosine)) / (pcm.length * energy);
}

export function rms(pcm: Int16Array): number {
  let energy = 0;
  for (const sample of pcm) energy += sample * sample;
  return Math.sqrt(energy / Math.max(1, pcm.length));
}

/** Signal to noise ratio of `got` against `wanted`, dB. */
export function snr(wanted: Int16Array, got: Int16Array): number {
  let signal = 0;
  let noise = 0;
  for (let index = 0; index < wanted.length; index++) {
    const sample = wanted[index] as number;
    signal += sample * sample;
    noise += (sample - (got[index] as number)) ** 2;
  }
  return 10 * Math.log10(signal / Math.max(1, noise));
}
