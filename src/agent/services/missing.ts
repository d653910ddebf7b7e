/** A service that is not there, with the reason and the remedy in words for people. */
export interface Missing {
  readonly missing: string;
}

export type OrMissing<T> = T | Missing;
