/**
 * Hears all the time and speaks all the time, from a recording: the dearest call that there is. Unlike an echo it
 * speaks by the mouth's clock and not by the caller's, so a late frame is the server's and not the load generator's.
 */
import { type AgentCall, chain, defineAgent, type Stage } from '../../src/agent/index.ts';
import { readWav } from '../../src/call/wav.ts';

const speech = await readWav(`${import.meta.dirname}/../../test/audio/book-table.wav`);
/** The mouth is given more when it has less than this. */
const LOW_WATER_MS = 1_000;

export default defineAgent({
  name: 'talker',
  title: 'Talker',
  description: 'Speaks all the time.',
  examples: [],
  legs: () => [],
  pipeline: (call) => chain(talk(call)),
});

function talk({ mouth }: AgentCall): Stage {
  let utterance: number | null = null;
  return {
    name: 'talk',
    process(frame) {
      if (frame.kind !== 'caller-audio' || mouth.bufferedMs >= LOW_WATER_MS) return;
      utterance ??= mouth.open();
      mouth.write(utterance, speech.pcm, speech.sampleRate);
    },
    close() {},
  };
}
