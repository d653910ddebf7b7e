/**
 * Keeps a metric's label small when its values come from outside, such as the names of tools and models: the first so
 * many values stand for themselves, all later ones for `other`. One time series a value is what a metrics server pays
 * for.
 */
export class BoundedLabel {
  readonly #limit: number;
  readonly #known = new Set<string>();

  /** @param limit values that are kept apart */
  constructor(limit: number) {
    this.#limit = limit;
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#limit) return 'other';
    this.#known.add(value);
    return value;
  }
}
