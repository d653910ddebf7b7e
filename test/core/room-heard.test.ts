import { afterEach, describe, expect, test } from 'vitest';
import {
  type AgentServices,
  agentMetrics,
  cascade,
  type Participants,
  type Stt,
  type Tts,
} from '../../src/agent/index.ts';
import { runAgent } from '../../src/agent/running-agent.ts';
import { SileroModel } from '../../src/agent/vad/silero.ts';
import { VadBatcher } from '../../src/agent/vad/vad-batcher.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { hasFlite, speech } from '../agent/speech.ts';
import { MemoryCall } from '../support/memory-call.ts';
import { ScriptedLlm } from '../support/scripted-llm.ts';
import { type Person, RoomRig } from './support/room-rig.ts';
import { concat, rms } from './support/tone.ts';

/** Keeps what each utterance was given, and understands it as a word a speaker. */
class KeepingStt implements Stt {
  readonly name = 'keeping';
  readonly heard: Int16Array[][] = [];
  readonly #wordOf: (pcm: Int16Array) => string;

  constructor(wordOf: (pcm: Int16Array) => string) {
    this.#wordOf = wordOf;
  }

  listen() {
    const parts: Int16Array[] = [];
    this.heard.push(parts);
    return {
      write: (pcm: Int16Array) => void parts.push(pcm.slice()),
      finish: async () => ({ text: this.#wordOf(concat(parts)) }),
      close() {},
    };
  }
}

const tts: Tts = {
  name: 'tone',
  async *synthesize(text) {
    yield { pcm: new Int16Array(text.length * 800), sampleRate: 16_000 };
  },
};

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(stt: Stt) {
  const rig = new RoomRig();
  const participants: Participants = { list: [], onChange: () => () => {} };
  const call = new MemoryCall({ clock: rig.clock, participants });
  rig.ear.onFrame(({ pcm, speaker, othersWait }) => {
    call.ear.speaker = speaker ?? null;
    call.ear.othersWait = othersWait ?? false;
    call.ear.push(pcm);
  });
  const metrics = agentMetrics(createMetrics({ processMetrics: false }));
  const model = await SileroModel.load({ maxBatch: 1 });
  const vad = new VadBatcher({
    ...{ model, log: silentLogger, runSeconds: metrics.vadRunSeconds },
    ...{ batchSize: metrics.vadBatchSize, failures: metrics.vadFailures },
  });
  const llm = new ScriptedLlm([['Well.']]);
  const stack = { stt, llm, tts, legs: [], names: [], turnDetector: null, warm() {} };
  const services = {
    metrics,
    vad,
    smartTurn: null,
    stack,
    flite: { missing: 'No flite.' },
  } as unknown as AgentServices;
  const running = runAgent(
    {
      ...{ name: 'any', title: 'Any', description: 'Any.', examples: [], legs: () => [] },
      pipeline: () => cascade({ call, services, instructions: 'Be kind.', greeting: '', turns: { idle: null } }),
    },
    call,
    services,
  );
  closing.push(async () => {
    call.leave();
    await running.done;
    await vad.close();
    await model.close();
  });
  /** Real time goes by in the room while everybody says theirs, and the agent keeps up with it. */
  const pass = async (ms: number, says: ReadonlyMap<Person, Int16Array> = new Map()) => {
    for (let at = 0; at < ms; at += 20) {
      for (const person of rig.people) person.give(says.get(person)?.subarray(at * 16, at * 16 + 320));
      rig.clock.advance(20);
      for (let turns = 0; turns < 6; turns++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { rig, call, llm, pass };
}

/** Whether a part of `whole`, sample by sample, is in `heard`. */
function contains(heard: Int16Array, whole: Int16Array): boolean {
  const from = whole.findIndex((_, at) => rms(whole.subarray(at, at + 320)) > 2_000);
  const part = whole.subarray(from, from + 320);
  for (let at = 0; at + part.length <= heard.length; at++) {
    if (heard[at] === part[0] && part.every((sample, index) => heard[at + index] === sample)) return true;
  }
  return false;
}

describe.skipIf(!hasFlite)('what the agent of a room makes of two who talk at once', () => {
  test('is what each said, whole and with their names, in order, and one answer to both', async () => {
    const anns = await speech('I would like to book a table for two people tomorrow evening');
    const bobs = await speech('and please put us close to the window if you can');
    const wordOf = (pcm: Int16Array) =>
      [contains(pcm, anns) ? 'a table' : '', contains(pcm, bobs) ? 'the window' : ''].filter(Boolean).join(' and ');
    const stt = new KeepingStt(wordOf);
    const { rig, call, llm, pass } = await start(stt);
    const [ann, bob] = [rig.join('Ann'), rig.join('Bob')];
    await pass(1_000);
    const before = new Int16Array(16_000 * 0.6);
    await pass(
      6_500,
      new Map([
        [ann, anns],
        [bob, concat([before, bobs])],
      ]),
    );
    await pass(2_000);
    expect(llm.requests.at(-1)?.entries).toMatchObject([
      { role: 'caller', text: 'Ann: a table', speaker: { name: 'Ann' } },
      { role: 'caller', text: 'Bob: the window', speaker: { name: 'Bob' } },
    ]);
    const said = call.events.flatMap((event) =>
      event.type === 'transcript' && event.final ? [`${event.speaker?.name}: ${event.text}`] : [],
    );
    expect(said).toEqual(['Ann: a table', 'Bob: the window']);
    expect(call.mouth.utteranceCount).toBe(1);
    expect(rig.totals.roomFramesDropped).toBe(0);
  });
});
