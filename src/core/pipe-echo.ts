/**
 * Sends a POP's probe back over the pipe that it came by, inside the media worker: what the POP then measures is the way
 * and no process of ours. Owns which pipes have a probe; the streams end with their pipe.
 */
import type { MediaPipe, PipeStream } from '../backbone/index.ts';
import { AntipodeError } from '../errors.ts';

export class PipeEchoes {
  readonly #probed = new WeakSet<MediaPipe>();

  /**
   * The stream that comes back.
   * @throws ERR_MEDIA_STATE for a second probe on a pipe, ERR_MEDIA_PARAMETERS, ERR_BACKBONE_CLOSED
   */
  async open(pipe: MediaPipe, stream: PipeStream): Promise<PipeStream> {
    if (this.#probed.has(pipe)) throw new AntipodeError('ERR_MEDIA_STATE', `Pipe ${pipe.pipeId} has a probe already.`);
    this.#probed.add(pipe);
    const probe = await pipe.receive(stream);
    try {
      const echo = await pipe.send(probe);
      return echo.stream;
    } catch (error) {
      probe.close();
      throw error;
    }
  }
}
