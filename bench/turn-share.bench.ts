/**
 * Our own share of voice to voice: what the caller waits for us, and for nobody else, with one call alone and with 50
 * running. Measured at a fake POP by its own clock, services answer at once.
 *
 * The whole is from the packet with the caller's last sound (known from the recording: its last sample above -40 dB) to
 * the first packet of the answer. From it is taken the time until the core could decide that the turn was over: until
 * the packet left that completed the window of voice activity which was silent for long enough. What is left is pipe,
 * ear, voice activity, turn-taking, the stages, Opus, mouth and pipe; nothing more is subtracted, because the services
 * take no time. The wait for the deciding window is the configured 500 ms and what windows of 32 ms, frames of 20 ms and
 * the model's own lag behind the voice add to it (`endpointingBeyond`). Speculation is off: all the work is in the way.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConverserMetadata } from './nodes/converser-metadata.ts';
import { CoreUnderLoad } from './nodes/core-under-load.ts';
import { type BenchOptions, percentile, result } from './result.ts';
import { type AnsweredTurn, turnsOf } from './turns.ts';

const WARM_UP_MS = 10_000;
const END_SILENCE_MS = 500;
const REPLY_MS = 600;
/** After "what time is it" (1.1 s); no multiple of 20 or 32 ms with it, so that ends fall on all places of a window. */
const SILENCE_MS = 1_493;
/** One call alone gives few turns; it is measured for longer. */
const ALONE_SECONDS = 90;

export async function run({ calls = 50, seconds = 60, progress, signal }: BenchOptions) {
  const alone = await measure(1, calls === 1 ? seconds : Math.max(seconds, ALONE_SECONDS));
  const busy = await measure(calls, seconds);
  return result(
    'turn-share',
    'How much of the time from a caller’s last sound to our first packet is our own?',
    {
      calls,
      turns: busy.turns.length,
      unanswered: busy.unanswered + alone.unanswered,
      endedCalls: busy.endedCalls + alone.endedCalls,
      p50Ms: busy.share(50),
      p95Ms: busy.share(95),
      p99Ms: busy.share(99),
      maxMs: busy.share(100),
      aloneTurns: alone.turns.length,
      aloneP50Ms: alone.share(50),
      aloneP99Ms: alone.share(99),
      wholeP50Ms: busy.of((turn) => turn.answeredAtMs - turn.lastSoundAtMs, 50),
      endpointingBeyondP50Ms: busy.of(beyond, 50),
      endpointingBeyondP99Ms: busy.of(beyond, 99),
      shareAndBeyondP50Ms: busy.of((turn) => turn.answeredAtMs - turn.lastSoundAtMs - END_SILENCE_MS, 50),
      loadSendLateMs: busy.sendLateMs,
      loadCpuPercent: busy.cpuPercent,
    },
    { p50Ms: 15, p99Ms: 40, aloneP50Ms: 15, aloneP99Ms: 40, unanswered: 0, endedCalls: 0 },
    [
      `p50Ms..maxMs: ${calls} calls; from the packet that completed the deciding window to the answer's first packet.`,
      `wholeP50Ms = ${END_SILENCE_MS} ms configured + endpointingBeyond + share, all from the caller's last sound.`,
    ],
  );

  async function measure(count: number, forSeconds: number) {
    progress(`${count} calls: opening`);
    await using load = await CoreUnderLoad.start();
    const metadata: ConverserMetadata = {
      replyMs: REPLY_MS,
      endSilenceMs: END_SILENCE_MS,
      smartTurn: false,
      greets: false,
    };
    const script = [{ say: 'what-time' }, { silenceMs: SILENCE_MS }] as const;
    await load.open({ calls: count, agent: 'converser', metadata: { ...metadata }, script });
    await sleep(WARM_UP_MS, undefined, { signal });
    await load.measure();
    progress(`${count} calls: measuring for ${forSeconds} s`);
    await sleep(forSeconds * 1_000, undefined, { signal });
    const report = await load.report();
    const logs = report.calls.map(turnsOf);
    const turns = logs.flatMap(({ answered }) => answered);
    const of = (pick: (turn: AnsweredTurn) => number, p: number) => percentile(turns.map(pick), p);
    return {
      turns,
      unanswered: logs.reduce((sum, log) => sum + log.unanswered, 0),
      endedCalls: report.calls.filter(({ ended }) => ended !== null).length,
      of,
      share: (p: number) => of((turn) => turn.answeredAtMs - turn.decidableAtMs, p),
      sendLateMs: Math.max(...report.calls.map((call) => call.sendLateMs)),
      cpuPercent: report.cpuPercent,
    };
  }
}

function beyond({ decidableAtMs, lastSoundAtMs }: AnsweredTurn): number {
  return decidableAtMs - lastSoundAtMs - END_SILENCE_MS;
}
