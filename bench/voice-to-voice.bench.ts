/**
 * What a caller waits from the end of their words to the beginning of the answer, with services as fast as they are
 * published to be: the product's usual chain and its adapters, against fakes of the vendors' wire protocols in a process
 * of their own, whose latencies are drawn from the catalogue's p50 and p95. Stacks of services, each in rows by what the
 * configuration lets an operator pay for: speculation, and a second request to the model. No network is in it but
 * loopback. From the packet with the caller's last sound leaving the POP to the first packet of the answer.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallLog } from './fake-pop/messages.ts';
import type { CascadedMetadata } from './nodes/cascaded-metadata.ts';
import { Child } from './nodes/child.ts';
import { CoreUnderLoad } from './nodes/core-under-load.ts';
import { type BenchOptions, percentile, result } from './result.ts';
import type { LlmRequests, ServiceFakesAsk } from './service-fakes/messages.ts';
import { latenciesOf, type Quantiles, STACKS, type StackName } from './service-fakes/stacks.ts';
import { waitsOf } from './turns.ts';

const WARM_UP_MS = 9_000;
/** After the question: longer than nearly every answer takes to begin and to be said. */
const SILENCE_MS = 6_983;
const SEED = 20_261_120;

/** Side by side in one core, so that all meet the same machine. In figures by these names. */
const ROWS = ['WithoutSpeculation', 'Speculated', 'Raced', 'Hedged'] as const;
type Row = (typeof ROWS)[number];

/** What of a row differs from the defaults; after so long that half of the first words have come, the rest is hedged. */
function settingsOfRow(row: Row, llm: Quantiles): Omit<CascadedMetadata, 'instructions'> {
  switch (row) {
    case 'WithoutSpeculation':
      return { speculates: false, llmAfterMs: null };
    case 'Speculated':
      return { speculates: true, llmAfterMs: null };
    case 'Raced':
      return { speculates: true, llmAfterMs: 0 };
    case 'Hedged':
      return { speculates: true, llmAfterMs: Math.round(llm.p50Ms) };
  }
}

export async function run(options: BenchOptions) {
  const measured = new Map<StackName, Measured>();
  for (const stack of Object.keys(STACKS) as StackName[]) measured.set(stack, await measure(stack, options));
  const all = [...measured.values()];
  return result(
    'voice-to-voice',
    'How long from the caller’s last sound to the answer’s first packet, with services as fast as published?',
    {
      ...Object.assign({}, ...[...measured].map(([stack, { figures }]) => named(stack, figures))),
      endedCalls: all.reduce((sum, { endedCalls }) => sum + endedCalls, 0),
      loadSendLateMs: Math.max(...all.map(({ sendLateMs }) => sendLateMs)),
    },
    {
      fastP50Ms: 500,
      commonP50Ms: 800,
      fastUnanswered: 0,
      commonUnanswered: 0,
      elevenLabsUnanswered: 0,
      endedCalls: 0,
    },
    [
      ...all.flatMap(({ notes }) => notes),
      'Raced: two requests to the model at once; hedged: the second after its published p50. What a row costs is in its',
      'LlmRequestsPerTurn. That two requests are slow independently of each other is an assumption: where a service is slow',
      'as a whole, a second request to it gains nothing.',
      'Words of the answer after the first take no time: the catalogue has no figure. Interim words are 150 to 300 ms behind',
      'the sound: an assumption.',
    ],
  );
}

type Measured = Awaited<ReturnType<typeof measure>>;

async function measure(stack: StackName, { calls = 14, seconds = 75, progress, signal }: BenchOptions) {
  progress(`${stack} stack: starting`);
  const { sources, ...latencies } = latenciesOf(stack);
  await using fakes = new Child<ServiceFakesAsk>({
    name: 'fake services',
    file: join(import.meta.dirname, 'service-fakes/process.ts'),
  });
  const environment = await fakes.ask<Record<string, string>>({ ...latencies, seed: SEED });
  await using load = await CoreUnderLoad.start({ environment, settings: settingsOf(stack, environment) });
  const script = [{ say: 'what-time' }, { silenceMs: SILENCE_MS }] as const;
  for (const row of ROWS) {
    const metadata = { instructions: instructionsOf(row), ...settingsOfRow(row, latencies.llm) };
    await load.open({ calls, agent: 'cascaded', metadata, script });
  }
  await sleep(WARM_UP_MS, undefined, { signal });
  await load.measure();
  await fakes.ask<LlmRequests>({ type: 'llm-requests' });
  progress(`${stack} stack: ${calls} calls for each of ${ROWS.length} rows, for ${seconds} s`);
  await sleep(seconds * 1_000, undefined, { signal });
  const report = await load.report();
  const requests = await fakes.ask<LlmRequests>({ type: 'llm-requests' });
  const rows = ROWS.map((row, index) => ({
    row,
    ...summary(report.calls.slice(index * calls, (index + 1) * calls), requests[instructionsOf(row)] ?? 0),
  }));
  const best = rows.reduce((one, other) =>
    (other.figures.P50Ms ?? Infinity) < (one.figures.P50Ms ?? Infinity) ? other : one,
  );
  const notices = rows.flatMap((each) => each.notices);
  return {
    figures: {
      /** Of the best row: each is what an operator can have by configuration alone. */
      P50Ms: best.figures.P50Ms,
      Unanswered: rows.reduce((sum, { figures }) => sum + figures.Unanswered, 0),
      ...Object.assign({}, ...rows.map(({ row, figures }) => named(row, figures))),
      ...rows.find(({ row }) => row === 'WithoutSpeculation')!.parts,
    } as Record<string, number | null>,
    endedCalls: report.calls.filter(({ ended }) => ended !== null).length,
    sendLateMs: Math.max(...report.calls.map((call) => call.sendLateMs)),
    notes: [
      ...sources,
      `  ${stack}P50Ms is the best row’s, ${stack}${best.row}P50Ms.`,
      ...(notices.length === 0 ? [] : [`  ${notices.length} notices, such as: ${notices[0]}`]),
    ],
  };
}

/** By which the fake tells whose request it is. */
function instructionsOf(row: Row): string {
  return `You tell the time. (${row})`;
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

function summary(logs: readonly CallLog[], llmRequests: number) {
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
    figures: {
      Turns: ms.length,
      Unanswered: waits.reduce((sum, { unanswered }) => sum + unanswered, 0),
      P50Ms: percentile(ms, 50),
      P95Ms: percentile(ms, 95),
      /** By the core's count of audible answers: the first and the last of a log are no turns of the others. */
      LlmRequestsPerTurn: timelines.length === 0 ? null : llmRequests / timelines.length,
    },
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
