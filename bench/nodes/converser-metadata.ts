/** What a benchmark may ask of the agent `converser`, as the metadata of a call. */
export interface ConverserMetadata {
  /** Length of everything that it says. */
  replyMs: number;
  /** Silence that ends the caller's turn, where no turn model does. */
  endSilenceMs: number;
  /** Ends turns by Smart Turn, as far as its weights are here. */
  smartTurn: boolean;
  /** Speaks first. */
  greets: boolean;
}
