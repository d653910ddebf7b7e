/** What a benchmark may ask of the agent `cascaded`, as the metadata of a call. */
export interface CascadedMetadata {
  /** Prepares the answer on the probable end of a turn. */
  speculates: boolean;
  /** Takes a turn for probably over after this much silence, before the turn model is asked; null: when it is asked. */
  probableMs: number | null;
}
