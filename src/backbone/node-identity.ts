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

/** The URI in a node certificate's subject alternative names that says what it may be used as. */
export function identityUri(role: NodeRole, nodeId: string): string {
  return `antipode:${role}:${nodeId}`;
}
