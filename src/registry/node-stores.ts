/**
 * Where a node keeps what it writes down of sessions, as it announces that: regions, by kind of store. Owns the shape;
 * who may use such a node is placement's to say.
 */
import { z } from 'zod';

export const STORE_KINDS = ['registry', 'logs', 'recordings', 'traces'] as const;
export type StoreKind = (typeof STORE_KINDS)[number];

/** Null: nobody knows. */
const region = z.string().min(1).max(64).nullable();

/** A store that is not named is where its node is; traces that are not named go nowhere. */
export const nodeStoresSchema = z.object({
  /** Records of sessions: ids, places, metadata. */
  registry: region.optional(),
  logs: region.optional(),
  /** Declared, for nodes record nothing yet. */
  recordings: region.optional(),
  /** Where the collector is that traces go to. */
  traces: region.optional(),
});
export type NodeStores = Readonly<z.infer<typeof nodeStoresSchema>>;

/** The region of each store of a node; null where nobody knows. */
export function storesOf(node: {
  readonly region: string;
  readonly stores?: NodeStores | undefined;
}): { readonly kind: StoreKind; readonly region: string | null }[] {
  const { stores = {}, region: own } = node;
  return STORE_KINDS.flatMap((kind) => {
    const declared = stores[kind];
    if (kind === 'traces' && declared === undefined) return [];
    return [{ kind, region: declared === undefined ? own : declared }];
  });
}
