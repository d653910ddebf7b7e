/** Who a node is on the backbone and the certificate that proves it. Owns the shape and the names, not the making. */

export type NodeRole = 'pop' | 'core';

/** PEM texts; `keyPem` is a secret and never logged. */
export interface NodeIdentity {
  nodeId: string;
  role: NodeRole;
  caPem: string;
  certPem: string;
  keyPem: string;
}

/** An identity whose texts are other ones after a renewal. */
export interface RenewableIdentity extends NodeIdentity {
  /** Calls `listener` after each renewal; the function that it returns takes it back. Absent: it never changes. */
  onRenewed?(listener: () => void): () => void;
}

/** The URI in a node certificate's subject alternative names that says what it may be used as. */
export function identityUri(role: NodeRole, nodeId: string): string {
  return `antipode:${role}:${nodeId}`;
}
