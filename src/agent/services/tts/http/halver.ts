/** Halves the rate of sound that comes in pieces: what the lower rate cannot hold is filtered out first. */

/** One more than a multiple of four, so that the middle one is where a half-band filter has its peak. */
const TAPS = 63;
const MIDDLE = (TAPS - 1) / 2;

/** A half-band low-pass, as a windowed sinc (Blackman), that leaves the loudness as it is. */
const FILTER = filter();

function filter(): Float64Array {
  const taps = Float64Array.from({ length: TAPS }, (_, index) => {
    const at = index - MIDDLE;
    const sinc = at === 0 ? 0.5 : Math.sin((Math.PI * at) / 2) / (Math.PI * at);
    const turn = (2 * Math.PI * (index + 1)) / (TAPS + 1);
    return sinc * (0.42 - 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn));
  });
  const sum = taps.reduce((all, tap) => all + tap, 0);
  return taps.map((tap) => tap / sum);
}

export class Halver {
  /** Sound that later samples still need; at first there was silence. */
  #rest = new Int16Array(MIDDLE);

  /** Half as many samples; the last of them come with the next piece, or with `flush`. */
  process(pcm: Int16Array): Int16Array {
    const all = new Int16Array(this.#rest.length + pcm.length);
    all.set(this.#rest);
    all.set(pcm, this.#rest.length);
    const count = Math.max(0, Math.floor((all.length - TAPS) / 2) + 1);
    const halved = new Int16Array(count);
    for (let index = 0; index < count; index++) {
      let sum = 0;
      for (let tap = 0; tap < TAPS; tap++) sum += FILTER[tap]! * all[index * 2 + tap]!;
      halved[index] = Math.max(-32_768, Math.min(32_767, Math.round(sum)));
    }
    this.#rest = all.slice(count * 2);
    return halved;
  }

  /** No more will come. */
  flush(): Int16Array {
    return this.process(new Int16Array(MIDDLE));
  }
}
