/**
 * Hears all the time and speaks half of the time, as long as it is silent: a conversation, from a recording. Unlike an
 * echo it speaks by the mouth's clock and not by the caller's, so a late frame is the server's and not the load
 * generator's.
 */
import { type AgentCall, chain, defineAgent, type Stage } from '../../src/agent/index.ts';
import { readWav } from '../../src/call/wav.ts';

const speech = await readWav(`${import.meta.dirname}/../../test/audio/book-table.wav`);
const SPEECH_FRAMES = Math.ceil((speech.pcm.length / speech.sampleRate) * 50);

export default defineAgent({
  name: 'talker',
  title: 'Talker',
  description: 'Speaks half of the time.',
  examples: [],
  legs: () => [],
  pipeline: (call) => chain(talk(call)),
});

function talk({ mouth }: AgentCall): Stage {
  // Calls begin to speak at different times.
  let heardFrames = Math.floor(Math.random() * 2 * SPEECH_FRAMES);
  return {
    name: 'talk',
    process(frame) {
      if (frame.kind !== 'caller-audio' || heardFrames++ % (2 * SPEECH_FRAMES) !== 0) return;
      const utterance = mouth.open();
      mouth.write(utterance, speech.pcm, speech.sampleRate);
      mouth.finish(utterance);
    },
    close() {},
  };
}
