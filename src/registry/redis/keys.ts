/**
 * The names of everything that stands in Redis. Owns the hash tags: the nodes of a zone lie in one slot of a Cluster,
 * each session in one of its own.
 */

export interface RegistryKeys {
  readonly records: string;
  readonly etags: string;
  readonly leases: string;
  readonly incarnation: string;
  /** What nodes were ordered to do. */
  readonly orders: string;
  /** Where changes of the nodes are published. */
  readonly channel: string;
  /** What every session's key begins with. */
  readonly sessions: string;
  session(sessionId: string): string;
  home(sessionId: string): string;
  room(room: string): string;
  once(id: string): string;
}

/** @param prefix ends with a colon and holds no braces */
export function registryKeys(prefix: string): RegistryKeys {
  const nodes = `${prefix}{nodes}`;
  return {
    records: `${nodes}:records`,
    etags: `${nodes}:etags`,
    leases: `${nodes}:leases`,
    incarnation: `${nodes}:incarnation`,
    orders: `${nodes}:orders`,
    channel: `${prefix}nodes-changed`,
    sessions: `${prefix}session:`,
    session: (sessionId) => `${prefix}session:{${sessionId}}`,
    home: (sessionId) => `${prefix}home:{${sessionId}}`,
    room: (room) => `${prefix}room:{${room}}`,
    once: (id) => `${prefix}once:{${id}}`,
  };
}
