/**
 * What a caller waits from the end of their words to the beginning of the answer, with services as fast as they are
 * published to be: the product's usual chain and its adapters, against fakes of the vendors' wire protocols in a process
 * of their own, whose latencies are drawn from the catalogue's p50 and p95. A fast stack and a common one, each with
 * speculation and without. No network is in it but loopback. From the packet with the caller's last sound leaving the
 * POP to the first packet of the answer.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallLog } from './fake-pop/messages.ts';
import type { CascadedMetadata } from './nodes/cascaded-metadata.ts';
import { Child } from './nodes/child.ts';
import { CoreUnderLoad } from './nodes/core-under-load.ts';
import { type BenchOptions, percentile, result } from './result.ts';
import type { ServiceFakesAsk } from './service-fakes/messages.ts';
import { latenciesOf, STACKS, type StackName } from './service-fakes/stacks.ts';
import { waitsOf } from './turns.ts';

const WARM_UP_MS = 9_000;
/** After the question: longer than nearly every answer takes to begin and to be said. */
const SILENCE_MS = 6_983;
const SEED = 20_261_120;
/** Speculation as the usual chain does it, none, and from an earlier silence on. */
const VARIANTS: readonly CascadedMetadata[] = [
  { speculates: true, probableMs: null },
  { speculates: false, probableMs: null },
  { speculates: true, probableMs: 96 },
];

export async function run(options: BenchOptions) {
  const fast = await measure('fast', options);
  const common = await measure('common', options);
  return result(
    'voice-to-voice',
    'How long from the caller’s last sound to the answer’s first packet, with services as fast as published?',
    {
      ...named('fast', fast.figures),
      ...named('common', common.figures),
      endedCalls: fast.endedCalls + common.endedCalls,
      loadSendLateMs: Math.max(fast.sendLateMs, common.sendLateMs),
    },
    { fastP50Ms: 500, commonP50Ms: 800, fastUnanswered: 0, commonUnanswered: 0, endedCalls: 0 },
    [
      ...fast.notes,
      ...common.notes,
      'Words of the answer after the first take no time: the catalogue has no figure.',
      `Early speculation: an end is probable after ${VARIANTS[2]?.probableMs} ms of silence, before the turn model is asked.`,
    ],
  );
}

async function measure(stack: StackName, { calls = 18, seconds = 60, progress, signal }: BenchOptions) {
  progress(`${stack} stack: starting`);
  const { sources, ...latencies } = latenciesOf(stack);
  await using fakes = new Child<ServiceFakesAsk>({
    name: 'fake services',
    file: join(import.meta.dirname, 'service-fakes/process.ts'),
  });
  const environment = await fakes.ask<Record<string, string>>({ ...latencies, seed: SEED });
  await using load = await CoreUnderLoad.start({ environment, settings: settingsOf(stack, environment) });
  const script = [{ say: 'what-time' }, { silenceMs: SILENCE_MS }] as const;
  // Side by side, so that both meet the same machine.
  for (const metadata of VARIANTS) {
    await load.open({ calls, agent: 'cascaded', metadata: { ...metadata }, script });
  }
  await sleep(WARM_UP_MS, undefined, { signal });
  await load.measure();
  progress(`${stack} stack: ${calls} calls each with, without and with early speculation, for ${seconds} s`);
  await sleep(seconds * 1_000, undefined, { signal });
  const report = await load.report();
  const [speculating, waiting, early] = VARIANTS.map((_, index) =>
    summary(report.calls.slice(index * calls, (index + 1) * calls)),
  ) as [Summary, Summary, Summary];
  const notices = [speculating, waiting, early].flatMap((each) => each.notices);
  return {
    figures: {
      Turns: speculating.turns,
      Unanswered: speculating.unanswered,
      P50Ms: speculating.p50Ms,
      P95Ms: speculating.p95Ms,
      WithoutSpeculationTurns: waiting.turns,
      WithoutSpeculationUnanswered: waiting.unanswered,
      WithoutSpeculationP50Ms: waiting.p50Ms,
      WithoutSpeculationP95Ms: waiting.p95Ms,
      ...waiting.parts,
      EarlySpeculationTurns: early.turns,
      EarlySpeculationUnanswered: early.unanswered,
      EarlySpeculationP50Ms: early.p50Ms,
      EarlySpeculationP95Ms: early.p95Ms,
    },
    endedCalls: report.calls.filter(({ ended }) => ended !== null).length,
    sendLateMs: Math.max(...report.calls.map((call) => call.sendLateMs)),
    notes: [...sources, ...(notices.length === 0 ? [] : [`${notices.length} notices, such as: ${notices[0]}`])],
  };
}

/** The vendors' own entries, but that all language models of one dialect are asked by the one whose address can be set. */
function settingsOf(stack: StackName, environment: Record<string, string>): Record<string, unknown> {
  const { stt, llm, tts } = STACKS[stack];
  return {
    'services.stt': [stt],
    'services.llm': [{ service: 'openai', model: llm.slice(llm.indexOf('/') + 1) }],
    'services.tts': [`${tts}#a-voice`],
    'services.openai.apiKey': environment.OPENAI_API_KEY,
    'services.openai.baseUrl': environment.OPENAI_BASE_URL,
  };
}

type Summary = ReturnType<typeof summary>;

function summary(logs: readonly CallLog[]) {
  const waits = logs.map(waitsOf);
  const ms = waits.flatMap(({ waitsMs }) => waitsMs);
  const told = logs.flatMap((log) => log.told);
  const timelines = told.filter(({ name }) => name === 'turn').map(({ data }) => data as Record<string, number | null>);
  const part = (name: string) =>
    percentile(
      timelines.flatMap((timeline) => timeline[name] ?? []),
      50,
    );
  return {
    turns: ms.length,
    unanswered: waits.reduce((sum, { unanswered }) => sum + unanswered, 0),
    p50Ms: percentile(ms, 50),
    p95Ms: percentile(ms, 95),
    /** Without speculation, where the parts follow on one another: the core's own account of them. */
    parts: {
      EndpointingP50Ms: part('endpointingMs'),
      SttP50Ms: part('sttMs'),
      LlmP50Ms: part('llmMs'),
      TtsP50Ms: part('ttsMs'),
    },
    notices: told.filter(({ name }) => name === 'notice').map(({ data }) => String(data)),
  };
}

function named(prefix: string, figures: Record<string, number | null>): Record<string, number | null> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [prefix + name, value]));
}
