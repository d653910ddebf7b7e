/** Runs one scenario: real calls through both placements at the same time, for each k. Owns the calls while they last. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordedScript } from '../fake-pop/script.ts';
import type { ToldOfCall } from '../nodes/messages.ts';
import { percentile } from '../result.ts';
import { waitTimesOf } from '../turns.ts';
import { CORES, type Place, type Prediction, predict, type Scenario } from './scenarios.ts';
import { Speaker } from './speaker.ts';
import { Stalls } from './stalls.ts';
import { WideArea } from './wide-area.ts';

/** The first turns open connections. */
const WARM_UP_CYCLES = 2;
/** A median of fewer turns is none. */
export const LEAST_TURNS = 10;
/** Most that is measured, as much of `seconds`, until there are so many turns without a stall. */
const LONGEST = 1.75;
const SLICE_MS = 5_000;
/** Caller to caller the 20 ms begin at other times. */
const APART_MS = 7;

export interface MeasureOptions {
  scenario: Scenario;
  /** For each core and k. */
  calls: number;
  seconds: number;
  script: RecordedScript;
  signal: AbortSignal;
}

/** One k at one core: what was measured beside what was predicted, ms. */
export interface Measured {
  core: Place;
  k: number;
  /** In p50Ms and p95Ms. */
  turns: number;
  /** Turns that are in neither, because the machine stalled in them. */
  stalled: number;
  /** Without a stall. */
  unanswered: number;
  p50Ms: number | null;
  p95Ms: number | null;
  predictedMs: number;
}

export interface MeasuredScenario {
  scenario: Scenario;
  rows: Measured[];
  /** By k: where placement would run it. */
  chosen: ReadonlyMap<number, Place>;
  /** What the agents said of trouble, and why calls ended that did. */
  notices: string[];
  endedCalls: number;
}

interface Line {
  core: Place;
  prediction: Prediction;
  speakers: Speaker[];
}

export async function measure(options: MeasureOptions): Promise<MeasuredScenario> {
  const { scenario, seconds, script, signal } = options;
  const { predictions, network } = predict(scenario);
  await using stack = new AsyncDisposableStack();
  const wideArea = stack.use(await WideArea.start(scenario, predictions, network));
  const lines = await openLines(wideArea, predictions, options, stack);
  const speakers = lines.flatMap((line) => line.speakers);
  await sleep(WARM_UP_CYCLES * script.packets.length * 20, undefined, { signal });
  for (const speaker of speakers) speaker.measureFromNow();
  const stalls = stack.use(new Stalls());
  const rowsNow = () => lines.map((line) => rowOf(line, stalls, script.packets.length * 20));
  const fromMs = performance.now();
  for (;;) {
    await sleep(SLICE_MS, undefined, { signal });
    const tookMs = performance.now() - fromMs;
    if (tookMs >= seconds * 1_000 * LONGEST) break;
    if (tookMs >= seconds * 1_000 && rowsNow().every(({ turns }) => turns >= LEAST_TURNS)) break;
  }
  const rows = rowsNow();
  const told = speakers.map(({ sessionId }) => wideArea.pop.ask<ToldOfCall>({ type: 'told', sessionId }));
  const ends = await Promise.all(told);
  return {
    scenario,
    rows,
    chosen: new Map(predictions.map(({ k, chosen }) => [k, chosen])),
    notices: ends.flatMap(({ notices, ended }) => (ended === null ? notices : [...notices, ended])),
    endedCalls: ends.filter(({ ended }) => ended !== null).length,
  };
}

/** Calls of every k at every core, beginning evenly over the script. */
async function openLines(
  wideArea: WideArea,
  predictions: readonly Prediction[],
  { calls, script, signal }: MeasureOptions,
  stack: AsyncDisposableStack,
): Promise<Line[]> {
  const lines = predictions.flatMap((prediction) => CORES.map((core): Line => ({ core, prediction, speakers: [] })));
  const stepMs = (script.packets.length * 20) / (calls * lines.length);
  let number = 0;
  for (let call = 0; call < calls; call++) {
    for (const { core, prediction, speakers } of lines) {
      number += 1;
      const speaker = await Speaker.open({
        ...{ wideArea, script, core: wideArea.cores.get(core)!, metadata: { k: prediction.k, speculates: true } },
        sessionId: `call-${number}`,
        ssrc: 1_000_000 + number,
        accessMs: prediction.candidates.get(core)!.parts.callerPop!,
      });
      speakers.push(stack.use(speaker));
      await sleep(stepMs + APART_MS, undefined, { signal });
    }
  }
  return lines;
}

function rowOf({ core, prediction, speakers }: Line, stalls: Stalls, turnMs: number): Measured {
  const logs = speakers.map(({ log }) => waitTimesOf(log));
  const answered = logs.flatMap(({ waits }) => waits);
  const good = answered.filter(({ lastSoundAtMs, answeredAtMs }) => !stalls.within(lastSoundAtMs, answeredAtMs));
  const ms = good.map(({ lastSoundAtMs, answeredAtMs }) => answeredAtMs - lastSoundAtMs);
  const silent = logs.flatMap(({ unansweredAtMs }) => unansweredAtMs);
  // A stall while the caller speaks may cost the words, one after it the answer.
  const unanswered = silent.filter((atMs) => !stalls.within(atMs - turnMs, atMs + turnMs)).length;
  return {
    ...{ core, k: prediction.k, turns: ms.length, unanswered },
    stalled: answered.length - ms.length + silent.length - unanswered,
    ...{ p50Ms: percentile(ms, 50), p95Ms: percentile(ms, 95) },
    predictedMs: prediction.candidates.get(core)!.predictedMs!.p50,
  };
}
