/** One session's record in the registry: made once, and then its changes, one after the other. Owns their order. */
import type { Registry, SessionRecord } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';

export interface SessionRecordWriterOptions {
  sessionId: string;
  registry: Pick<Registry, 'createSession' | 'updateSession'>;
  /** Of the session, asked when a change is made: a later epoch than the record's is written with it. */
  epoch(): number;
  log: Logger;
}

export class SessionRecordWriter {
  readonly #options: SessionRecordWriterOptions;
  #written: Promise<void> = Promise.resolve();

  constructor(options: SessionRecordWriterOptions) {
    this.#options = options;
  }

  /** Settles when what was written last is in the registry, or could not be. Never rejects. */
  get written(): Promise<void> {
    return this.#written;
  }

  /** @throws what the registry throws; what is written afterwards is tried nevertheless */
  create(record: SessionRecord): Promise<void> {
    const created = this.#options.registry.createSession(record);
    this.#written = created.catch(() => undefined);
    return created;
  }

  write(change: Parameters<Registry['updateSession']>[2]): void {
    const { sessionId, registry, log } = this.#options;
    // As it is now: a take-over changes it before this is written.
    const epoch = this.#options.epoch();
    this.#written = this.#written
      .then(() => registry.updateSession(sessionId, epoch, change))
      .then(
        () => undefined,
        (error) => log.warn({ sessionId, err: error }, "a session's record was not updated"),
      );
  }
}
