/**
 * What a session's data touched: every node, endpoint and store, with its law and the time, and everything that was
 * stopped. Each entry carries the hash of the one before it, so that a missing, changed or reordered entry shows. Owns
 * the chain; who touches what is told by the nodes.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';

export const residencyEntrySchema = z.strictObject({
  /** From 0, without holes. */
  seq: z.number().int().nonnegative(),
  at: z.iso.datetime(),
  /** `stopped`: what tried to leave and did not. `dropped`: this many entries found no room; always the last but one. */
  kind: z.enum(['node', 'endpoint', 'store', 'stopped', 'dropped', 'ended']),
  /** A node's id, an endpoint such as `openai@eu`, a store's name, or the host that was refused. */
  name: z.string().max(300),
  region: z.string().max(64).nullable(),
  jurisdiction: z.string().max(16).nullable(),
  /** For people: what it did there. */
  detail: z.string().max(500),
  /** Of the entry before; of the session and its pins for the first. Hexadecimal SHA-256. */
  previous: z.string().regex(/^[0-9a-f]{64}$/),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
});
export type ResidencyEntry = Readonly<z.infer<typeof residencyEntrySchema>>;

export const residencyRecordSchema = z.strictObject({
  version: z.literal(1),
  sessionId: z.string().max(100),
  /** The pins that held, each as its places and who asked for it. */
  pins: z.array(z.strictObject({ places: z.array(z.string().max(64)).max(32), from: z.string().max(64) })).max(16),
  entries: z.array(residencyEntrySchema).max(1_100),
});
export type ResidencyRecordView = Readonly<z.infer<typeof residencyRecordSchema>>;

export type ResidencyTouch = Pick<ResidencyEntry, 'kind' | 'name' | 'region' | 'jurisdiction' | 'detail'>;

/** Entries of one session; what is stopped a thousand times is told by its count. */
const MAX_ENTRIES = 1_000;

export class ResidencyRecord {
  readonly #sessionId: string;
  readonly #pins: ResidencyRecordView['pins'];
  readonly #date: () => Date;
  readonly #entries: ResidencyEntry[] = [];
  readonly #known = new Set<string>();
  #dropped = 0;
  #ended = false;

  constructor(options: { sessionId: string; pins: ResidencyRecordView['pins']; date: () => Date }) {
    this.#sessionId = options.sessionId;
    this.#pins = structuredClone(options.pins) as ResidencyRecordView['pins'];
    this.#date = options.date;
  }

  /** Told at the first touch of each place; the same again adds nothing, except what was stopped. */
  touched(touch: ResidencyTouch): void {
    const key = `${touch.kind} ${touch.name} ${touch.region} ${touch.detail}`;
    if (this.#ended || (touch.kind !== 'stopped' && this.#known.has(key))) return;
    if (this.#entries.length >= MAX_ENTRIES) {
      this.#dropped += 1;
      return;
    }
    this.#known.add(key);
    this.#add(touch);
  }

  /** The session is over: nothing can be added without a broken chain. Idempotent. */
  ended(detail: string): void {
    if (this.#ended) return;
    if (this.#dropped > 0) {
      const words = `${this.#dropped} more touches or stops found no room in this record`;
      this.#add({ kind: 'dropped', name: 'record', region: null, jurisdiction: null, detail: words });
    }
    this.#add({ kind: 'ended', name: this.#sessionId, region: null, jurisdiction: null, detail });
    this.#ended = true;
  }

  view(): ResidencyRecordView {
    return {
      version: 1,
      sessionId: this.#sessionId,
      pins: structuredClone(this.#pins) as ResidencyRecordView['pins'],
      entries: [...this.#entries],
    };
  }

  #add(touch: ResidencyTouch): void {
    const { kind, name, region, jurisdiction, detail } = touch;
    const previous = this.#entries.at(-1)?.hash ?? rootHash(this.#sessionId, this.#pins);
    const at = this.#date().toISOString();
    const entry = { seq: this.#entries.length, at, kind, name, region, jurisdiction, detail, previous };
    this.#entries.push(Object.freeze({ ...entry, hash: hashOf(entry) }));
  }
}

/**
 * Where a record's chain breaks: the number of the first wrong entry and why; null when it is whole.
 * @param how `over`: of a session that has ended, whose record was cut when its last entry does not say so
 */
export function breakOf(
  record: ResidencyRecordView,
  how: { over?: boolean } = {},
): { seq: number; reason: string } | null {
  let previous = rootHash(record.sessionId, record.pins);
  for (const [index, entry] of record.entries.entries()) {
    const { hash, ...content } = entry;
    if (entry.seq !== index) return { seq: index, reason: `entry ${index} says that it is ${entry.seq}` };
    if (entry.previous !== previous) return { seq: index, reason: 'it does not follow the entry before it' };
    if (hash !== hashOf(content)) return { seq: index, reason: 'it was changed' };
    previous = hash;
  }
  const isCut = how.over === true && record.entries.at(-1)?.kind !== 'ended';
  return isCut ? { seq: record.entries.length, reason: 'its last entries are missing' } : null;
}

function rootHash(sessionId: string, pins: ResidencyRecordView['pins']): string {
  return sha256(JSON.stringify([sessionId, pins.map(({ places, from }) => [places, from])]));
}

/** Over the fields in a fixed order. */
function hashOf(entry: Omit<ResidencyEntry, 'hash'>): string {
  const { seq, at, kind, name, region, jurisdiction, detail, previous } = entry;
  return sha256(JSON.stringify([seq, at, kind, name, region, jurisdiction, detail, previous]));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
