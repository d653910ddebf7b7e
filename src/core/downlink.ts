/** The agent's packets on their way into a pipe: what a seat is given, whoever else speaks by the same producer. */
import type { Producer } from 'mediasoup/types';
import { type MediaWorker, opusProducerParameters, type PipeStream } from '../backbone/index.ts';
import { AntipodeError } from '../errors.ts';
import type { OpenPipe } from './pop-link.ts';

export interface Downlink {
  /** What the POP must receive on the pipe. */
  readonly stream: PipeStream;
  /** Two with the same one are the same sound: a packet sent to one of them reaches both. */
  readonly source: object;
  /** Copies `packet`, which leaves at the end of this turn of the event loop; after the stream is gone it does nothing. */
  send(packet: Buffer): void;
  /** Idempotent. */
  close(): void;
}

/** @throws ERR_MEDIA_PARAMETERS, ERR_BACKBONE_CLOSED, ERR_MEDIA_WORKER_DIED */
export type OpenDownlink = (open: OpenPipe) => Promise<Downlink>;

/** Each pipe with a producer of its own. @param ssrc of the packets */
export function downlinkOf(ssrc: number): OpenDownlink {
  return async ({ worker, pipe }) => {
    const producer = await produceVoice(worker, ssrc);
    try {
      const sent = await pipe.send(producer);
      return {
        stream: sent.stream,
        source: producer,
        send: (packet) => sendBy(worker, producer, packet),
        close() {
          sent.close();
          producer.close();
        },
      };
    } catch (error) {
      producer.close();
      throw error;
    }
  };
}

/** @throws ERR_MEDIA_WORKER_DIED, what mediasoup says */
export async function produceVoice(worker: MediaWorker, ssrc: number): Promise<Producer> {
  const producer = await worker.direct.produce({ kind: 'audio', rtpParameters: opusProducerParameters(ssrc) });
  if (producer.closed) throw new AntipodeError('ERR_MEDIA_WORKER_DIED', 'The media worker died.');
  return producer;
}

export function sendBy(worker: MediaWorker, producer: Producer, packet: Buffer): void {
  if (producer.closed) return;
  worker.gatherSends();
  producer.send(packet);
}
