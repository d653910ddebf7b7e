/**
 * Who a TLS peer is, by the subject alternative names of its certificate. The certificate's chain was checked by TLS
 * before; here only its names are read. Owns no socket.
 */
import type { NodeRole } from './node-identity.ts';

/**
 * Role and node id that a certificate vouches for, or null when it vouches for none or for several.
 * @param subjectAltName as node:crypto and node:tls give it: `DNS:local-core, URI:antipode:core:local-core`
 */
export function peerIdentity(subjectAltName: string | undefined): { role: NodeRole; nodeId: string } | null {
  // A name with a comma or a quote in it comes quoted, and could hide in its inside what looks like one of ours.
  if (!subjectAltName || subjectAltName.includes('"')) return null;
  const uris = subjectAltName.split(', ').filter((name) => name.startsWith('URI:antipode:'));
  const found = uris.length === 1 ? /^URI:antipode:(pop|core):([a-z0-9._-]{1,128})$/i.exec(uris[0] ?? '') : null;
  const [, role, nodeId] = found ?? [];
  return role && nodeId ? { role: role as NodeRole, nodeId } : null;
}
