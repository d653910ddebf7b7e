/**
 * A caller who speaks over the agent, and one who only makes a sound. Of the first: from the caller's first sound to the
 * mouth's last packet. Of the second: from the end of that sound to the mouth's next packet, and whether the answer goes
 * on exactly where it stopped. Measured at a fake POP by its own clock; sounds are placed by the recording (its first and
 * last sample above -40 dB), and count from when the packet that carries them leaves.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ScriptPart } from './fake-pop/script.ts';
import { answersOf, interruptionsOf, soundsOf } from './interruptions.ts';
import type { ConverserMetadata } from './nodes/converser-metadata.ts';
import { CoreUnderLoad } from './nodes/core-under-load.ts';
import { type BenchOptions, percentile, result } from './result.ts';

const WARM_UP_MS = 5_000;
const DEFAULT_SECONDS = 60;
/** Twice the longest script: a whole answer lies between two questions. */
const MIN_SECONDS = 45;
const REPLY_MS = 12_000;
/** The core ends a turn after this silence: no answer begins earlier. */
const END_SILENCE_MS = 500;
/** Each is said over the answer to the one before. */
const SPEAKS_OVER: ScriptPart[] = [{ say: 'stop' }, { silenceMs: 2_417 }, { say: 'what-time' }, { silenceMs: 2_603 }];
const SOUNDS: ScriptPart[] = [{ vowelMs: 150 }, { noiseMs: 150 }, { vowelMs: 200 }, { noiseMs: 300 }, { vowelMs: 300 }];
/** A question, and sounds over its answer. */
const MAKES_SOUNDS: ScriptPart[] = [
  { say: 'what-time' },
  { silenceMs: 2_307 },
  ...SOUNDS.flatMap((sound): ScriptPart[] => [sound, { silenceMs: 1_803 }]),
  { silenceMs: 6_000 },
];
const LISTENS: ScriptPart[] = [{ say: 'what-time' }, { silenceMs: REPLY_MS + 2_000 }];

export async function run({ calls = 8, progress, signal, ...options }: BenchOptions) {
  const seconds = Math.max(options.seconds ?? DEFAULT_SECONDS, MIN_SECONDS);
  await using load = await CoreUnderLoad.start();
  const metadata: ConverserMetadata = {
    replyMs: REPLY_MS,
    endSilenceMs: END_SILENCE_MS,
    smartTurn: false,
    greets: false,
  };
  progress('opening calls');
  const groups = [
    [SPEAKS_OVER, calls],
    [MAKES_SOUNDS, calls],
    [LISTENS, 1],
  ] as const;
  for (const [script, count] of groups) {
    await load.open({ calls: count, agent: 'converser', metadata: { ...metadata }, script });
  }
  await sleep(WARM_UP_MS, undefined, { signal });
  await load.measure();
  progress(`measuring for ${seconds} s`);
  await sleep(seconds * 1_000, undefined, { signal });
  const { calls: logs } = await load.report();
  const speaking = logs.slice(0, calls).map(interruptionsOf);
  const disturbed = logs.slice(calls, 2 * calls).map(soundsOf);
  const whole = answersOf(logs.at(-1)!)[0] ?? null;
  const bargeIns = speaking.flatMap(({ tookMs }) => tookMs);
  const sounds = disturbed.flat();
  const paused = sounds.filter(({ resumedMs }) => resumedMs !== null);
  const resumed = paused.map(({ resumedMs }) => resumedMs!);
  const answers = logs.slice(calls, 2 * calls).flatMap(answersOf);
  const off = (sign: 1 | -1) =>
    whole === null ? null : answers.reduce((sum, frames) => sum + Math.max(0, sign * (frames - whole)), 0);
  return result(
    'barge-in',
    'How fast does the agent fall silent for a caller who speaks, and go on for one who only coughed?',
    {
      interruptions: bargeIns.length,
      ignoredInterruptions: speaking.reduce((sum, { ignored }) => sum + ignored, 0),
      p50Ms: percentile(bargeIns, 50),
      p95Ms: percentile(bargeIns, 95),
      maxMs: percentile(bargeIns, 100),
      sounds: sounds.length,
      soundsThatPaused: paused.length,
      soundsThatCutOff: sounds.filter(({ cutOff }) => cutOff).length,
      resumeP50Ms: percentile(resumed, 50),
      resumeP95Ms: percentile(resumed, 95),
      resumeMaxMs: percentile(resumed, 100),
      answersWithSounds: answers.length,
      framesOfAnAnswer: whole,
      framesMissing: off(-1),
      framesRepeated: off(1),
      endedCalls: logs.filter(({ ended }) => ended !== null).length,
      framesLostOnTheWay: logs.reduce((sum, { lost }) => sum + lost, 0),
      loadSendLateMs: Math.max(...logs.map(({ sendLateMs }) => sendLateMs)),
    },
    {
      p50Ms: 250,
      ignoredInterruptions: 0,
      resumeP95Ms: 300,
      soundsThatCutOff: 0,
      framesMissing: 0,
      framesRepeated: 0,
      endedCalls: 0,
    },
    [
      `Sounds: vowels and bursts of noise of 150 to 300 ms; those that voice activity does not take for voice pause nothing.`,
    ],
  );
}
