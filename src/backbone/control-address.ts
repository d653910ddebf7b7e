/** By which ways a node can be reached: an address by a name each, the preferred one first. Owns the shape only. */

export interface ControlAddress {
  /** Of the way, such as `backbone` or `internet`: the same at both ends. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** Name of the only way of a node that names none. */
export const ONLY_WAY = 'default';
