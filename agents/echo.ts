/**
 * Says back what it hears, frame by frame: one endless utterance, no voice activity, no words. The path without the
 * conversation, for measuring the path.
 */
import { type AgentCall, chain, defineAgent, EAR_SAMPLE_RATE, type Stage } from '../src/agent/index.ts';

export default defineAgent({
  name: 'echo',
  title: 'Echo',
  description:
    'Says back what it hears, at once. Good for testing a microphone and for measuring the way there and back.',
  examples: ['Anything at all'],
  legs: () => [],
  pipeline: (call) => chain(echo(call)),
});

/** Behind by more than this the echo leaves frames out at once. */
const MAX_BEHIND_MS = 60;
/** What waits in the mouth through so many frames in a row is a standing queue: one frame is left out to drain it. */
const STANDING_FRAMES = 10;
const FRAME_MS = 20;
/** How often another core's place to go on from is noted: what is between is said twice when the call moves. */
const NOTED_FRAMES = 25;

/** A mirror that falls behind stays behind, since it speaks as fast as it hears: so it leaves out what made it late. */
function echo({ mouth, send, journal, rests }: AgentCall): Stage {
  let utterance: number | null = null;
  let behindFrames = 0;
  let heardFrames = 0;
  return {
    name: 'echo',
    process(frame) {
      if (frame.kind === 'caller-audio') {
        if (++heardFrames % NOTED_FRAMES === 0) journal?.note({ type: 'listened', position: frame.audio.position });
        if (frame.audio.origin === 'silence' || mouth.bufferedMs > MAX_BEHIND_MS) return;
        behindFrames = mouth.bufferedMs >= FRAME_MS ? behindFrames + 1 : 0;
        if (behindFrames >= STANDING_FRAMES) {
          behindFrames = 0;
          return;
        }
        utterance ??= mouth.open();
        mouth.write(utterance, frame.audio.pcm, EAR_SAMPLE_RATE);
      } else if (frame.kind === 'call-started') {
        send({ type: 'agent-state', state: 'listening' });
        // It owes nothing to anybody: another core may mirror from any frame on.
        rests?.(true);
      }
    },
    close() {},
  };
}
