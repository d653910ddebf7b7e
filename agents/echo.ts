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

/** Behind by more than this the echo leaves frames out: a mirror that is late stays late. */
const MAX_BEHIND_MS = 60;

function echo(call: AgentCall): Stage {
  const { mouth } = call;
  let utterance: number | null = null;
  return {
    name: 'echo',
    process(frame) {
      if (frame.kind === 'caller-audio') {
        if (frame.audio.origin === 'silence' || mouth.bufferedMs > MAX_BEHIND_MS) return;
        utterance ??= mouth.open();
        mouth.write(utterance, frame.audio.pcm, EAR_SAMPLE_RATE);
      } else if (frame.kind === 'call-started') {
        call.send({ type: 'agent-state', state: 'listening' });
      }
    },
    close() {},
  };
}
