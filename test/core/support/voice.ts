/** Speech-like sound for codec tests: a pitch that glides, with harmonics and syllables, so that SILK is at work. */
export function voice(sampleRate: number, samples: number, from = 0): Int16Array {
  const pcm = new Int16Array(samples);
  for (let index = 0; index < samples; index++) {
    const t = (from + index) / sampleRate;
    const phase = 2 * Math.PI * (140 * t + 4 * Math.sin(2 * Math.PI * 0.7 * t));
    const syllable = 0.55 + 0.45 * Math.sin(2 * Math.PI * 3 * t);
    let sample = 0;
    for (let harmonic = 1; harmonic <= 8; harmonic++) sample += Math.sin(phase * harmonic) / harmonic;
    pcm[index] = Math.round(5_000 * syllable * sample);
  }
  return pcm;
}
