/**
 * The stage that hears whether the caller speaks: ear frames go to the batched model, its answers come back as `voice`
 * frames. Passes the audio on untouched.
 */
import type { AntipodeError } from '../../errors.ts';
import type { Emit, Stage } from '../stage.ts';
import { type AgentCall, isSameSpeaker, type Speaker } from '../types.ts';
import { SpeechDetector, type SpeechDetectorOptions } from '../vad/speech-detector.ts';
import type { VadBatcher, VadStream } from '../vad/vad-batcher.ts';

export interface ListenOptions extends SpeechDetectorOptions {
  call: Pick<AgentCall, 'hangUp' | 'log'>;
  vad: Pick<VadBatcher, 'open'>;
}

export function listen(options: ListenOptions): Stage {
  const detector = new SpeechDetector(options);
  let emit: Emit = () => {};
  let stream: VadStream | null = null;
  let closed = false;
  /** Whose sound begins at which position, in a room; the first entry holds for the last window. */
  const speakers: { readonly from: number; readonly speaker: Speaker }[] = [];

  const heardAt = (position: number): Speaker | undefined => {
    while (speakers.length > 1 && speakers[1]!.from < position) speakers.shift();
    return speakers[0]?.speaker;
  };

  const open = (): VadStream =>
    options.vad.open({
      result({ probability, position, receivedAtMs }) {
        const { speaking, segment, segmentStart, voicedMs, silentMs, quietMs } = detector.push(probability, position);
        const speaker = heardAt(position);
        const voice = { speaking, segment, segmentStart, voicedMs, silentMs, quietMs, ...(speaker && { speaker }) };
        emit({ kind: 'voice', position, receivedAtMs, ...voice });
      },
      failed(error: AntipodeError) {
        options.call.log.error({ err: error }, 'the call has lost its voice activity detection');
        options.call.hangUp({ code: 'agent-failed', reason: 'The agent can no longer hear you.' });
      },
    });

  return {
    name: 'listen',
    process(frame, next) {
      emit = next;
      next(frame);
      // A later stage may have ended the call with this very frame.
      if (closed || frame.kind !== 'caller-audio') return;
      const { speaker, position } = frame.audio;
      if (speaker && !isSameSpeaker(speakers.at(-1)?.speaker, speaker)) speakers.push({ from: position, speaker });
      stream ??= open();
      stream.push(frame.audio);
    },
    close() {
      closed = true;
      stream?.close();
    },
  };
}
