import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DESK_ABILITIES, DESK_GREETING, DESK_NOT_UNDERSTOOD } from '../../../agents/front-desk/dialog.ts';
import { FRONT_DESK_GRAMMAR } from '../../../agents/front-desk/grammar.ts';
import { AgentHost, type ClientEvent, clientEventSchema, type RunningAgent } from '../../../src/agent/index.ts';
import { PocketSphinx } from '../../../src/agent/services/stt/pocketsphinx.ts';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { loadConfig } from '../../../src/config/index.ts';
import { createMetrics, type Registry, silentLogger } from '../../../src/telemetry/index.ts';
import { MemoryCall, roomNoise } from '../../support/memory-call.ts';
import { hasFlite, hasPocketSphinx, speech } from '../speech.ts';

// Its own folder for temporary files: other tests make some at the same time.
process.env.TMPDIR = await mkdtemp(join(tmpdir(), 'antipode-test-'));
afterAll(() => rm(tmpdir(), { recursive: true }));

/** What the desk is asked for is a time of day; some of them a recognizer mishears in a synthetic voice. */
const atTwentyFourPastTen: Clock = { ...systemClock, date: () => new Date(2026, 4, 5, 10, 24) };

describe.skipIf(!hasFlite || !hasPocketSphinx)('a keyless call to the front desk', { timeout: 60_000 }, () => {
  let host: AgentHost;
  let metrics: Registry;
  beforeAll(async () => {
    const config = loadConfig({ file: null, environment: {} });
    metrics = createMetrics({ processMetrics: false });
    host = await AgentHost.load({ config, clock: systemClock, log: silentLogger, metrics });
    await host.prepared;
  });
  afterAll(() => host.close());

  async function withCall(talk: (call: MemoryCall, running: RunningAgent) => Promise<void>): Promise<MemoryCall> {
    const call = new MemoryCall({ backboneRttMs: 3, clock: atTwentyFourPastTen });
    call.mouth.autoPlay = true;
    const running = host.start('front-desk', call);
    try {
      expect(await call.said('agent', 0)).toBe(DESK_GREETING);
      await talk(call, running);
    } finally {
      call.leave();
      await running.done;
    }
    return call;
  }

  /** Say a sentence and fall silent for as long as it takes to end a turn. */
  async function say(call: MemoryCall, words: string): Promise<void> {
    await call.ear.hearSilence(300);
    await call.ear.hear(await speech(words));
    await call.ear.hearSilence(700);
  }

  test('answers a spoken question with a spoken answer, and tells the client all of it', async () => {
    const call = await withCall(async (call) => {
      await say(call, 'what time is it');
      expect(await call.said('caller', 1)).toBe('what time is it');
      const answer = await call.said('agent', 1);
      expect(answer).toMatch(/^It is .*(a m|p m|morning|afternoon|evening)\.$/);
      const { pcm, sampleRate } = call.mouth.written(2);
      expect(sampleRate).toBe(16_000);
      expect(await recognizeTime(pcm)).toBe(answer.toLowerCase().replace('.', ''));
    });
    for (const event of call.events) expect(clientEventSchema.parse(event)).toEqual(event);
    const timeline = call.events.flatMap((event) => (event.type === 'turn' ? [event.timeline] : []))[1]!;
    expect(timeline).toMatchObject({ turn: 1, backboneRttMs: 3, interrupted: false });
    const { endpointingMs, sttMs, llmMs, ttsMs, mouthMs, totalMs } = timeline;
    expect(endpointingMs! + sttMs! + llmMs! + ttsMs! + mouthMs!).toBeCloseTo(totalMs, 3);
    const states = call.events.flatMap((event) => (event.type === 'agent-state' ? [event.state] : []));
    expect(states.slice(0, 6)).toEqual(['thinking', 'speaking', 'listening', 'thinking', 'speaking', 'listening']);
    expect(await metrics.getSingleMetricAsString('antipode_turn_seconds')).toMatch(/_count\{part="stt"\} [1-9]/);
  });

  test('takes a booking with its follow-up questions', async () => {
    await withCall(async (call) => {
      const answers: string[] = [];
      for (const [index, words] of ['i would like to book a table', 'two people', 'tomorrow evening'].entries()) {
        await say(call, words);
        answers.push(await call.said('agent', index + 1));
      }
      expect(answers).toEqual([
        'For how many people?',
        'For what day and time?',
        'I have booked a table for two people tomorrow evening. Is there anything else?',
      ]);
    });
  });

  test('says what it understands when it did not understand', async () => {
    await withCall(async (call) => {
      await say(call, 'the quarterly report is due on wednesday');
      expect(await call.said('agent', 1)).toBe(DESK_NOT_UNDERSTOOD);
      expect(call.events.some((event) => event.type === 'transcript' && event.role === 'caller')).toBe(false);
    });
  });

  test('falls silent within 250 ms of voice over its count, keeps what was heard, and answers', async () => {
    await withCall(async (call) => {
      call.mouth.autoPlay = false;
      await say(call, 'please count to thirty');
      await call.until(() => (call.mouth.bufferedMs > 5_000 ? true : undefined), 'five seconds of counting');
      call.mouth.play(3_000);
      const stop = await speech('stop');
      let heardMs = 0;
      while (!call.mouth.paused && heardMs < 1_000) {
        await call.ear.hear(stop.subarray(heardMs * 16, (heardMs + 20) * 16));
        heardMs += 20;
      }
      // The sentence begins with up to 60 ms that are no voice yet.
      expect(heardMs).toBeLessThanOrEqual(60 + 250);
      expect(call.mouth.flushes).toBe(0);
      await call.ear.hear(stop.subarray(heardMs * 16));
      await call.ear.hearSilence(700);
      await call.until(() => (call.mouth.flushes === 1 ? true : undefined), 'the end of the count');
      const counted = await call.said('agent', 1);
      expect(counted).toMatch(/^One\. Two\./);
      expect(counted.split(' ').length).toBeLessThan(8);
      const isStop = (event: ClientEvent) =>
        event.type === 'transcript' && event.role === 'caller' && event.text === 'stop';
      await call.until(() => call.events.find(isStop), 'the word that stopped it');
      await call.until(() => (call.mouth.bufferedMs > 0 ? true : undefined), 'an answer to the interruption');
    });
    expect(await metrics.getSingleMetricAsString('antipode_interruptions_total')).toMatch(/ [1-9]/);
  });

  test('says goodbye and hangs up once it has been played', async () => {
    await withCall(async (call, running) => {
      call.mouth.autoPlay = false;
      await say(call, 'that is all thank you');
      await call.until(() => (call.mouth.bufferedMs > 1_600 ? true : undefined), 'a goodbye');
      expect(call.end).toBeNull();
      call.mouth.autoPlay = true;
      call.mouth.play(Number.POSITIVE_INFINITY);
      expect(await call.until(() => call.end ?? undefined)).toEqual({
        code: 'agent-hung-up',
        reason: 'The caller said goodbye.',
      });
      await running.done;
    });
  });

  test('takes typed words for a turn', async () => {
    await withCall(async (call) => {
      call.type('Help!');
      expect(await call.said('caller', 1)).toBe('Help!');
      expect(await call.said('agent', 1)).toBe(DESK_ABILITIES);
    });
  });

  test('leaves nothing behind after a hundred calls that ended in the middle of something', async () => {
    const voice = await speech('what time is it');
    const before = { processes: childProcesses(), timers: activeTimers(), folders: sttFolders() };
    for (let index = 0; index < 100; index++) {
      const call = new MemoryCall();
      const running = host.start('front-desk', call);
      call.ear.push(roomNoise(3_200));
      if (index % 3 === 0) await call.ear.hear(voice.subarray(0, (index % 7) * 3_000));
      if (index % 3 === 1) call.type('please count to thirty');
      call.leave();
      await running.done;
      expect(call.ear.listenerCount + call.mouth.listenerCount + call.messageListenerCount).toBe(0);
    }
    expect(host.runningCount).toBe(0);
    await expect.poll(childProcesses, { timeout: 5_000 }).toBeLessThanOrEqual(before.processes);
    await expect.poll(activeTimers, { timeout: 5_000 }).toBeLessThanOrEqual(before.timers + 1);
    expect(sttFolders()).toBe(before.folders);
  });
});

/** What the answer sounds like to pocketsphinx, with a grammar of nothing but times of day. */
async function recognizeTime(pcm: Int16Array): Promise<string> {
  const recognizer = new PocketSphinx({
    ...loadConfig({ file: null, environment: {} }).services.pocketsphinx,
    grammar: {
      ...FRONT_DESK_GRAMMAR,
      jsgf: `#JSGF V1.0; grammar time;
        <digit> = one | two | three | four | five | six | seven | eight | nine;
        <teen> = ten | eleven | twelve | thirteen | fourteen | fifteen | sixteen | seventeen | eighteen | nineteen;
        <minute> = oh <digit> | <teen> | (twenty | thirty | forty | fifty) [<digit>];
        public <top> = it is (<digit> | ten | eleven | twelve)
                       (<minute> (a m | p m) | o'clock in the (morning | afternoon | evening));`,
      pronunciations: {},
    },
    clock: systemClock,
    log: silentLogger,
  });
  const utterance = recognizer.listen({ signal: new AbortController().signal });
  for (const part of [roomNoise(4_000), pcm, roomNoise(8_000)]) utterance.write(part);
  const { text } = await utterance.finish();
  await recognizer.close();
  return text;
}

/** Processes that this one has started and that still run. */
function childProcesses(): number {
  const list = execFileSync('ps', ['-o', 'pid=,stat=,comm=', '--ppid', String(process.pid)], { encoding: 'utf8' });
  return list.split('\n').filter((line) => /\S/.test(line) && !/\bps$/.test(line)).length;
}

function activeTimers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

function sttFolders(): number {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('antipode-stt-')).length;
}
