/** What a benchmark may ask of the agent `cascaded`, as the metadata of a call. */
export interface CascadedMetadata {
  /** The model's instructions, by which a benchmark tells the requests of its rows apart. */
  instructions: string;
  /** Prepares the answer on the probable end of a turn. */
  speculates: boolean;
  /** Asks the model twice when its first word has not come after so long; 0: both at once; null: never. */
  llmAfterMs: number | null;
}
