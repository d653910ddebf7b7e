/** What a benchmark may ask of the agent `looker`, as the metadata of a call. */
export interface LookerMetadata {
  /** Round trips to the language model in each turn, 1 to 5. */
  k: number;
  /** Prepares the answer on the probable end of a turn, as the usual chain does. */
  speculates: boolean;
}
