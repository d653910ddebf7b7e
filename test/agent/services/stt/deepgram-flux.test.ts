import { afterEach, describe, expect, test } from 'vitest';
import { DeepgramFlux, type DeepgramFluxOptions } from '../../../../src/agent/services/stt/deepgram-flux.ts';
import type { SttStream, SttStreamEvent } from '../../../../src/agent/services/stt.ts';
import { systemClock } from '../../../../src/clock.ts';
import { silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeDeepgram } from '../../../fakes/deepgram.ts';
import { sayTones } from '../../../fakes/tone-words.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { listen, speak, sttConformance, writeFrames } from './conformance.ts';
import { hearingSubject } from './hearing-subject.ts';

sttConformance('Deepgram Flux', { interim: true, streams: true }, async (options) => {
  const fake = await FakeDeepgram.start();
  const stt = new DeepgramFlux({ apiKey: fake.apiKey, baseUrl: fake.server.url, ...options });
  return hearingSubject({
    stt,
    fake,
    wrongShape: '{"type": "TurnInfo", "event": 7}',
    stall: () => {
      fake.faults.stallsTurns = true;
    },
    askedForWords: () =>
      // The silence behind the utterance.
      fake.samples >= 4_800 + 8_000,
  });
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(options: Partial<DeepgramFluxOptions> = {}): Promise<{ fake: FakeDeepgram; stt: DeepgramFlux }> {
  const fake = await FakeDeepgram.start();
  closing.push(() => fake.close());
  const shared = { clock: systemClock, log: silentLogger, timeoutMs: 20_000 };
  const stt = new DeepgramFlux({ apiKey: fake.apiKey, baseUrl: fake.server.url, ...shared, ...options });
  closing.push(() => stt.close());
  return { fake, stt };
}

function open(stt: DeepgramFlux): { stream: SttStream; events: SttStreamEvent[]; types(): string[] } {
  const events: SttStreamEvent[] = [];
  const stream = stt.open({
    onEvent: (event) => events.push(event),
    onError: (error) => {
      throw error;
    },
  });
  return { stream, events, types: () => events.map(({ type }) => type).filter((type) => type !== 'interim') };
}

const turnEnd = (text: string, cause = 'service') => ({ type: 'turnEnd', text, cause });
const patient = { timeout: 20_000 };

describe('Deepgram Flux', () => {
  test('leaves turns to us for an utterance, and ends it with ForceEndTurn on one warm connection', async () => {
    const { fake, stt } = await start();
    for (let count = 0; count < 3; count++) {
      const utterance = listen(stt);
      speak(utterance, ['one', 'two']);
      await utterance.finish();
    }
    expect(fake.controls).toEqual(Array(3).fill('ForceEndTurn'));
    expect(fake.server.requests.length).toBe(1);
    const query = fake.server.requests[0]!.url.searchParams;
    expect(query.get('eot_threshold')).toBe('1.0');
    expect(query.has('eager_eot_threshold')).toBe(false);
  });

  test('tells of turns with eager ends and resumptions', async () => {
    const { stt } = await start({ eagerThreshold: 0.4 });
    const { stream, events, types } = open(stt);
    writeFrames(stream, sayTones(['one', 'two']));
    writeFrames(stream, new Int16Array(6_400));
    await expect.poll(types, patient).toEqual(['eagerEnd']);
    writeFrames(stream, sayTones(['three']));
    writeFrames(stream, new Int16Array(24_000));
    await expect.poll(() => types().at(-1), patient).toBe('turnEnd');
    expect(types()).toEqual(['eagerEnd', 'resumed', 'eagerEnd', 'final', 'turnEnd']);
    expect(events.at(-1)).toEqual(turnEnd('one two three'));
  });

  test('gets silence in place of audio that stops in the middle of a turn, so that the turn ends', async () => {
    const clock = new FakeClock();
    const { stt } = await start({ clock });
    const { stream, events } = open(stt);
    writeFrames(stream, sayTones(['one', 'two']));
    await expect.poll(() => events.at(-1), patient).toMatchObject({ type: 'interim' });
    await clock.advanceAsync(1_600, 100);
    await expect.poll(() => events.at(-1), patient).toEqual(turnEnd('one two'));
  });

  test('sends an open turn again on a new connection', async () => {
    const { fake, stt } = await start();
    const { stream, events } = open(stt);
    writeFrames(stream, sayTones(['one', 'two']));
    await expect.poll(() => events.at(-1), patient).toMatchObject({ type: 'interim' });
    fake.server.dropAll();
    writeFrames(stream, sayTones(['three']));
    writeFrames(stream, new Int16Array(24_000));
    await expect.poll(() => events.at(-1), patient).toEqual(turnEnd('one two three'));
    expect(fake.server.requests.length).toBe(2);
    const final = events.find(({ type }) => type === 'final');
    expect(final).toMatchObject({
      words: [
        { text: 'one', startMs: 0, endMs: 200 },
        { text: 'two', startMs: 300, endMs: 500 },
        { text: 'three', startMs: 600, endMs: 800 },
      ],
    });
  });

  test('connects again when the service falls silent in the middle of a turn, and gives up the second time', async () => {
    const clock = new FakeClock();
    const { fake, stt } = await start({ clock, timeoutMs: 5_000 });
    const errors: Error[] = [];
    const events: SttStreamEvent[] = [];
    const stream = stt.open({ onEvent: (event) => events.push(event), onError: (error) => errors.push(error) });
    writeFrames(stream, sayTones(['one', 'two']));
    await expect.poll(() => events.at(-1), patient).toMatchObject({ type: 'interim', text: 'one two' });
    fake.faults.stallsTurns = true;
    await clock.advanceAsync(6_000, 100);
    await expect.poll(() => fake.server.requests.length, patient).toBe(2);
    fake.faults.stallsTurns = false;
    const before = events.length;
    writeFrames(stream, sayTones(['three']));
    await expect.poll(() => events.length, patient).toBeGreaterThan(before);
    expect(errors).toEqual([]);
    fake.faults.stallsTurns = true;
    await clock.advanceAsync(11_000, 100);
    await expect.poll(() => errors, patient).toMatchObject([{ code: 'ERR_SERVICE_TIMEOUT' }]);
  });
});
