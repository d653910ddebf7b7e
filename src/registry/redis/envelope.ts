/**
 * How records stand in Redis: JSON with a version around it. Owns reading it back with doubt: broken JSON, a shape that
 * is none of ours, and versions of the future are skipped, counted, and told to the log once for each record.
 */
import { z } from 'zod';
import type { Logger } from '../../telemetry/index.ts';
import type { RecordKind, RegistryMetrics, SkipReason } from '../registry-metrics.ts';

/** Fields may be added within a version; it grows when an older reader would misunderstand. */
export const RECORD_VERSION = 1;
const MAX_TOLD = 1_000;
const MAX_RECORD_CHARACTERS = 1_048_576;

const envelopeSchema = z.object({ v: z.number().int().min(1), record: z.unknown() });

export function sealRecord(record: unknown): string {
  return JSON.stringify({ v: RECORD_VERSION, record });
}

export class RecordReader {
  readonly #log: Logger;
  readonly #metrics: RegistryMetrics;
  readonly #told = new Set<string>();

  constructor(options: { log: Logger; metrics: RegistryMetrics }) {
    this.#log = options.log;
    this.#metrics = options.metrics;
  }

  /** Also the record as it stands there, with fields that this version does not know. Null for one to be skipped. */
  read<T>(
    kind: RecordKind,
    id: string,
    text: string,
    schema: z.ZodType<T>,
  ): { record: T; raw: Record<string, unknown> } | null {
    if (text.length > MAX_RECORD_CHARACTERS) return this.skip(kind, id, 'invalid', `${text.length} characters`);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return this.skip(kind, id, 'invalid', 'not JSON');
    }
    const envelope = envelopeSchema.safeParse(value);
    if (!envelope.success) return this.skip(kind, id, 'invalid', 'no version');
    if (envelope.data.v > RECORD_VERSION) return this.skip(kind, id, 'future', `version ${envelope.data.v}`);
    const parsed = schema.safeParse(envelope.data.record);
    if (!parsed.success) return this.skip(kind, id, 'invalid', firstIssue(parsed.error));
    return { record: parsed.data, raw: envelope.data.record as Record<string, unknown> };
  }

  skip(kind: RecordKind, id: string, reason: SkipReason, detail: string): null {
    this.#metrics.recordsSkipped.inc({ kind, reason });
    const key = `${kind} ${id} ${reason}`;
    if (this.#told.has(key)) return null;
    if (this.#told.size >= MAX_TOLD) this.#told.clear();
    this.#told.add(key);
    this.#log.warn({ kind, id, reason, detail }, 'a record of the registry is skipped');
    return null;
  }
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? 'not as it must be' : `${issue.path.join('.')}: ${issue.message}`;
}
