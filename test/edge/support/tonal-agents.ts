/**
 * Agents whose words can be told from their sound, on the real stages: `counter` counts to twenty at once, `listener`
 * writes down what it hears and says nothing, `clerk` files each word by a tool and says so. A caller's word is a tone,
 * whose pitch is its number.
 */
import { z } from 'zod';
import {
  type AgentCall,
  type AgentServices,
  answerByModel,
  answerByScript,
  type CallPorts,
  type Conversation,
  chain,
  conversationOf,
  defineAgent,
  listen,
  type Script,
  speak,
  type Tool,
  takeTurns,
  transcribe,
} from '../../../src/agent/index.ts';
import { runAgent } from '../../../src/agent/running-agent.ts';
import type { AgentStarter, RunningAgent } from '../../../src/core/index.ts';
import { createOpusEncoder } from '../../../src/core/opus-codec.ts';
import { agentNamed } from '../../support/nodes.ts';
import { ScriptedLlm } from '../../support/scripted-llm.ts';

const RATE = 16_000;
const WINDOW = 512;
const LOUD = 800;
const FIRST_HZ = 300;
const STEP_HZ = 120;
export const WORD_MS = 400;
export const COUNTED = Array.from({ length: 20 }, (_, index) => `number${index + 1}`);

/** One Opus packet for each 20 ms: `count` tones of 300 ms, each followed by silence. */
export async function tonalWords(count: number, everyMs: number): Promise<Buffer[]> {
  const encoder = await createOpusEncoder({ sampleRate: RATE });
  const frames = (count * everyMs) / 20;
  const packets: Buffer[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const inWord = (frame * 20) % everyMs;
    const hz = FIRST_HZ + STEP_HZ * Math.floor((frame * 20) / everyMs);
    const loud = inWord >= 200 && inWord < 500;
    const pcm = Int16Array.from({ length: 320 }, (_, index) =>
      loud ? 8_000 * Math.sin((2 * Math.PI * hz * (frame * 320 + index)) / RATE) : 0,
    );
    packets.push(Buffer.from(encoder.encode(pcm)));
  }
  encoder.close();
  return packets;
}

function level(pcm: Int16Array): number {
  return Math.sqrt(pcm.reduce((sum, sample) => sum + sample * sample, 0) / pcm.length);
}

/** Shorter silence within a tone is a hole that this machine made: words are far more than this apart. */
const HOLE_FRAMES = 10;

/** The words in a piece of sound. */
function wordsIn(pcm: Int16Array): string {
  const words: string[] = [];
  let pitches: number[] = [];
  let silent = 0;
  for (let at = 0; at + 320 <= pcm.length + 320 * (HOLE_FRAMES + 1); at += 320) {
    const piece = pcm.subarray(at, at + 320);
    if (piece.length === 320 && level(piece) > LOUD) {
      let crossings = 0;
      for (let index = 1; index < 320; index++) if (piece[index - 1]! < 0 !== piece[index]! < 0) crossings += 1;
      pitches.push(crossings * 25);
      silent = 0;
    } else if (pitches.length > 0 && ++silent > HOLE_FRAMES) {
      const middle = pitches.sort((a, b) => a - b)[Math.floor(pitches.length / 2)]!;
      if (pitches.length > 3) words.push(`word${Math.round((middle - FIRST_HZ) / STEP_HZ) + 1}`);
      pitches = [];
      silent = 0;
    }
  }
  return words.join(' ');
}

export interface TonalAgentsOptions {
  onSpoken?(text: string): void;
  onHeard?(text: string): void;
  /** The clerk's tool was run: for this session, with this word. */
  onFiled?(sessionId: string, word: string): void;
}

export class TonalAgents implements AgentStarter {
  readonly #options: TonalAgentsOptions;
  readonly agents = ['counter', 'listener', 'clerk'].map(agentNamed);
  /** All that went to the voice, in order. */
  readonly spoken: string[] = [];
  /** All that was understood, in order. */
  readonly heard: string[] = [];
  readonly calls: CallPorts[] = [];

  constructor(options: TonalAgentsOptions = {}) {
    this.#options = options;
  }

  start(name: string, ports: CallPorts): RunningAgent {
    this.calls.push(ports);
    const definition = defineAgent({
      ...{ name, title: name, description: name, examples: [] },
      legs: () => [],
      pipeline: (call) => {
        const conversation = conversationOf(call);
        return chain(
          listen({ call, vad: { open: (listener) => this.#voiceActivity(listener) as never } }),
          takeTurns({ call }),
          transcribe({ call, conversation, stt: { name: 'tones', listen: () => this.#utterance() } }),
          name === 'clerk' ? this.#clerk(call, conversation) : answerByScript({ call, script: this.#script(name) }),
          speak({ call, conversation, tts: { name: 'words', synthesize: (text) => this.#synthesize(text) } }),
        );
      },
    });
    const counter = { inc() {} };
    const services = { metrics: { agentFailures: counter, slowStops: counter } } as unknown as AgentServices;
    return runAgent(definition, { ...ports, observe: () => {} }, services);
  }

  #clerk(call: AgentCall, conversation: Conversation) {
    const file: Tool = {
      name: 'file',
      description: 'Files a word.',
      parameters: z.object({ word: z.string() }),
      run: (input) => {
        const { word } = input as { word: string };
        this.#options.onFiled?.(call.sessionId, word);
        return `filed ${word}`;
      },
    };
    const llm = new ScriptedLlm(({ entries }) => {
      const last = entries.at(-1);
      if (last?.role === 'caller') return [{ call: 'file', with: { word: last.text }, id: `call-${last.turn}` }];
      return [last?.role === 'tool' ? `${last.result}.` : ''];
    });
    return answerByModel({
      ...{ call, conversation, llm, tools: [file], greeting: '', notUnderstood: '' },
      instructions: () => '',
      apology: () => 'broken',
    });
  }

  #script(name: string): Script<number> {
    return {
      initial: 0,
      greet: (state) => ({ state, say: name === 'counter' ? `${COUNTED.join(' ')}.` : '' }),
      respond: (state, words) => {
        this.heard.push(words);
        this.#options.onHeard?.(words);
        return { state: state + 1, say: '' };
      },
      apology: () => '',
    };
  }

  #voiceActivity(listener: { result(result: { probability: number; position: number; receivedAtMs: number }): void }) {
    let window = new Int16Array(0);
    return {
      push({ pcm, position, receivedAtMs }: { pcm: Int16Array; position: number; receivedAtMs: number }) {
        window = Int16Array.from([...window, ...pcm]);
        if (window.length < WINDOW) return;
        const probability = level(window.subarray(0, WINDOW)) > LOUD ? 0.98 : 0.01;
        window = window.subarray(WINDOW);
        listener.result({ probability, position: position + pcm.length - window.length, receivedAtMs });
      },
      close() {},
    };
  }

  #utterance() {
    let pcm: number[] = [];
    return {
      write: (more: Int16Array) => void pcm.push(...more),
      finish: async () => ({ text: wordsIn(Int16Array.from(pcm)) }),
      close: () => {
        pcm = [];
      },
    };
  }

  async *#synthesize(text: string) {
    this.spoken.push(text);
    this.#options.onSpoken?.(text);
    const words = text.match(/\S+/g) ?? [];
    yield {
      pcm: new Int16Array((words.length * WORD_MS * RATE) / 1_000),
      sampleRate: RATE,
      words: words.map((word, index) => ({
        text: word.replace('.', ''),
        startMs: index * WORD_MS,
        endMs: (index + 1) * WORD_MS,
      })),
    };
  }
}
