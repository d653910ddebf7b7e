/**
 * What the participants of a room send each other over the core: each one's voice and video to every other POP of the
 * room, once, over that POP's pipe. Owns the streams to the POPs and the producers between the core's own workers. Mixes,
 * decodes and keeps nothing.
 */
import type { Producer } from 'mediasoup/types';
import type { CoreEventData, MediaPipe, MediaWorker } from '../backbone/index.ts';
import { asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { CoreTotals } from './core-metrics.ts';
import type { OpenPipe, PopLink } from './pop-link.ts';

export type ForwardedKind = 'audio' | 'video';

/** What a participant sends, on one of our routers. */
export interface ForwardedSource {
  readonly participantId: string;
  readonly kind: ForwardedKind;
  /** Node id of the POP that it comes from: the others there have it already. */
  readonly pop: string;
  readonly worker: MediaWorker;
  readonly producer: Producer;
}

/** A POP with callers in the room, and the pipe by which they are reached. */
export interface ForwardTarget {
  readonly link: PopLink;
  readonly open: OpenPipe;
}

export interface RoomForwardOptions {
  room: string;
  totals: Pick<CoreTotals, 'roomForwardFailures'>;
  log: Logger;
}

/** One source on its way to one POP. */
interface Stream {
  readonly source: ForwardedSource;
  readonly target: ForwardTarget;
  /** Null when it failed. */
  readonly opening: Promise<Opened | null>;
  /** What the POP was told; null before that. */
  told: Told | null;
  closed: boolean;
}

type Told = CoreEventData<'room.stream'>;

interface Opened {
  readonly told: Told;
  close(): void;
}

export class RoomForward {
  readonly #options: RoomForwardOptions;
  readonly #streams = new Map<string, Stream>();
  /** Producers on other workers of ours than the one that they came to, by producer and worker. */
  readonly #carried = new Map<Producer, Map<MediaWorker, Promise<Producer>>>();
  #closed = false;

  constructor(options: RoomForwardOptions) {
    this.#options = options;
  }

  /** Streams that stand or are being made. */
  get count(): number {
    return this.#streams.size;
  }

  /** From now on these are forwarded to these, and nothing else is: what stands already and is wanted stays. */
  update(sources: readonly ForwardedSource[], targets: readonly ForwardTarget[]): void {
    if (this.#closed) return;
    const wanted = new Map<string, { source: ForwardedSource; target: ForwardTarget }>();
    for (const source of sources) {
      for (const target of targets) {
        if (target.link.nodeId === source.pop) continue;
        wanted.set(`${target.link.nodeId} ${source.kind} ${source.participantId}`, { source, target });
      }
    }
    for (const [key, stream] of [...this.#streams]) {
      const now = wanted.get(key);
      const same =
        now?.source.producer === stream.source.producer &&
        now.target.open.pipe === stream.target.open.pipe &&
        now.target.link === stream.target.link;
      if (same) wanted.delete(key);
      else this.#end(key, stream);
    }
    for (const [key, { source, target }] of wanted) this.#begin(key, source, target);
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    for (const [key, stream] of [...this.#streams]) this.#end(key, stream);
    for (const carried of this.#carried.values()) {
      for (const one of carried.values()) one.then((producer) => producer.close()).catch(() => {});
    }
    this.#carried.clear();
  }

  #begin(key: string, source: ForwardedSource, target: ForwardTarget): void {
    const stream: Stream = { source, target, opening: this.#open(source, target), told: null, closed: false };
    this.#streams.set(key, stream);
    void stream.opening.then((opened) => {
      if (stream.closed) return;
      if (opened === null) {
        // Whatever changes next tries again.
        if (this.#streams.get(key) === stream) this.#streams.delete(key);
        return;
      }
      stream.told = opened.told;
      target.link.send('room.stream', opened.told);
    });
  }

  async #open(source: ForwardedSource, { open }: ForwardTarget): Promise<Opened | null> {
    const { room, totals, log } = this.#options;
    const { participantId, kind } = source;
    const { pipe, worker } = open;
    const common = { room, participantId, pipeId: pipe.pipeId };
    try {
      const producer = await this.#carry(source, worker);
      if (kind === 'audio') {
        const sent = await pipe.send(producer);
        return { told: { ...common, kind, stream: sent.stream }, close: () => sent.close() };
      }
      const sent = await pipe.sendVideo(producer);
      return { told: { ...common, kind, stream: sent.stream }, close: () => sent.close() };
    } catch (error) {
      const { code, message } = asAntipodeError(error, 'ERR_MEDIA_PARAMETERS');
      if (isGone(source.producer, pipe)) return null;
      totals.roomForwardFailures += 1;
      log.warn({ room, participantId, kind, code, message }, "a participant's stream could not be forwarded");
      return null;
    }
  }

  /** The source on the router of `worker`. */
  async #carry({ producer, worker: from }: ForwardedSource, worker: MediaWorker): Promise<Producer> {
    if (worker === from) return producer;
    let carried = this.#carried.get(producer);
    if (carried === undefined) {
      carried = new Map();
      this.#carried.set(producer, carried);
      producer.observer.once('close', () => this.#carried.delete(producer));
    }
    const known = carried.get(worker);
    if (known) return known;
    const ways = carried;
    const making = from.router
      .pipeToRouter({ producerId: producer.id, router: worker.router, enableRtx: true })
      .then(({ pipeProducer }) => {
        if (!pipeProducer) throw new TypeError('mediasoup piped nothing');
        pipeProducer.observer.once('close', () => {
          if (ways.get(worker) === making) ways.delete(worker);
        });
        return pipeProducer;
      });
    carried.set(worker, making);
    making.catch(() => ways.delete(worker));
    return making;
  }

  /** Nobody behind that worker needs the source any more. */
  #dropCarried({ source, target }: Stream): void {
    const { worker } = target.open;
    const carried = this.#carried.get(source.producer);
    const making = carried?.get(worker);
    if (!carried || !making) return;
    for (const { source: other, target: to } of this.#streams.values()) {
      if (other.producer === source.producer && to.open.worker === worker) return;
    }
    carried.delete(worker);
    making.then((producer) => producer.close()).catch(() => {});
  }

  #end(key: string, stream: Stream): void {
    stream.closed = true;
    if (this.#streams.get(key) === stream) this.#streams.delete(key);
    const { told, target, opening } = stream;
    void opening.then((opened) => {
      opened?.close();
      this.#dropCarried(stream);
    });
    if (told === null) return;
    const { room, participantId, kind, pipeId } = told;
    target.link.send('room.stream-closed', { room, participantId, kind, pipeId });
  }
}

function isGone(producer: Producer, pipe: MediaPipe): boolean {
  return producer.closed || pipe.closed;
}
