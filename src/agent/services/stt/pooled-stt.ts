/**
 * The face of every streaming speech-to-text service: utterances that we cut on pooled streams, and, where the service
 * detects turns, streams of their own. Owns no protocol.
 */
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { ConnectTime } from '../connect-time.ts';
import type {
  StreamingStt,
  SttListenOptions,
  SttStream,
  SttStreamHandlers,
  SttUtterance,
  TurnDetectingStt,
} from '../stt.ts';
import type { SttDialect } from './dialect.ts';
import { SocketSttStream } from './stream.ts';
import { StreamPool } from './stream-pool.ts';

export interface PooledSttOptions {
  /** In metrics and the catalogue. */
  name: string;
  dialect: SttDialect;
  clock: Clock;
  log: Logger;
  /** From the end of an utterance to its words. */
  timeoutMs: number;
}

export class PooledStt implements StreamingStt {
  readonly name: string;
  readonly #pool: StreamPool;
  readonly #connectTime = new ConnectTime();

  constructor(options: PooledSttOptions) {
    this.name = options.name;
    this.#pool = new StreamPool({
      clock: options.clock,
      create: () => new SocketSttStream({ ...options, connectTime: this.#connectTime }),
      asks: options.dialect.finalizesInMidStream ?? false,
    });
  }

  listen(options: SttListenOptions): SttUtterance {
    return this.#pool.listen(options);
  }

  warm(): void {
    this.#pool.warm();
  }

  /** What opening the newest connection took, one round trip, ms; null before there was one. */
  connectMs(): number | null {
    return this.#connectTime.ms;
  }

  close(): void {
    this.#pool.close();
  }
}

export interface TurnDetectingSttOptions extends PooledSttOptions {
  /** For streams whose turns the service ends; `dialect` is for utterances that we cut. */
  turnDialect: SttDialect;
}

export class TurnDetectingPooledStt extends PooledStt implements TurnDetectingStt {
  readonly #options: TurnDetectingSttOptions;
  readonly #open = new Set<SocketSttStream>();
  #closed = false;

  constructor(options: TurnDetectingSttOptions) {
    super(options);
    this.#options = options;
  }

  open(handlers: SttStreamHandlers): SttStream {
    if (this.#closed) throw new AntipodeError('ERR_SHUTTING_DOWN', 'Speech to text is closed.');
    const { clock, log, timeoutMs, turnDialect: dialect } = this.#options;
    const stream = new SocketSttStream({ dialect, clock, log, timeoutMs });
    for (const other of this.#open) if (other.isClosed) this.#open.delete(other);
    this.#open.add(stream);
    stream.attach(handlers);
    stream.warm();
    return stream;
  }

  override close(): void {
    this.#closed = true;
    super.close();
    for (const stream of this.#open) stream.close();
    this.#open.clear();
  }
}
