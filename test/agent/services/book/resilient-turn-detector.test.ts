import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  CircuitBreaker,
  type Endpoint,
  ResilientTurnDetector,
  serviceMetrics,
} from '../../../../src/agent/services/book/index.ts';
import { DeepgramStt } from '../../../../src/agent/services/stt/deepgram.ts';
import type { SttStreamEvent, TurnDetectingStt } from '../../../../src/agent/services/stt.ts';
import { createMetrics, silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeDeepgram } from '../../../fakes/deepgram.ts';
import { sayTones } from '../../../fakes/tone-words.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { openBook } from './book.ts';

const SILENCE = new Int16Array(16_000);

let fakes: FakeDeepgram[];
let services: DeepgramStt[];
let clock: FakeClock;
let detector: ResilientTurnDetector;

beforeEach(async () => {
  clock = new FakeClock();
  fakes = [await FakeDeepgram.start(), await FakeDeepgram.start()];
  const log = silentLogger;
  services = fakes.map(
    ({ apiKey, server }) => new DeepgramStt({ apiKey, baseUrl: server.url, clock, log, timeoutMs: 5_000 }),
  );
  const endpoints = services.map(
    (service, index): Endpoint<TurnDetectingStt> => ({
      label: `deepgram-${index}`,
      service,
      breaker: new CircuitBreaker({ clock }),
      firstResponseMs: 2_500,
    }),
  );
  const { failovers, hedges } = serviceMetrics(createMetrics({ processMetrics: false }));
  detector = new ResilientTurnDetector({ clock, log, endpoints, failovers, hedges });
});
afterEach(async () => {
  for (const service of services) service.close();
  await expect.poll(() => clock.pendingCount).toBe(0);
  await Promise.all(fakes.map((fake) => fake.close()));
});

function open() {
  const events: SttStreamEvent[] = [];
  const errors: Error[] = [];
  const stream = detector.open({ onEvent: (event) => events.push(event), onError: (error) => errors.push(error) });
  return {
    stream,
    events,
    errors,
    turns: () => events.flatMap((each) => (each.type === 'turnEnd' ? [each.text] : [])),
  };
}

describe('a service that detects turns with another behind it', () => {
  test('is the only one that hears while it works', async () => {
    const { stream, turns } = open();
    stream.write(sayTones(['one', 'two']));
    stream.write(SILENCE);
    await expect.poll(turns).toEqual(['one two']);
    stream.write(sayTones(['three']));
    stream.write(SILENCE);
    await expect.poll(turns).toEqual(['one two', 'three']);
    expect(fakes[1]!.server.requests).toEqual([]);
    stream.close();
  });

  test('is replaced in the middle of a turn, whose words are told once', async () => {
    const { stream, turns, events } = open();
    stream.write(sayTones(['one']));
    stream.write(SILENCE);
    await expect.poll(turns).toEqual(['one']);
    // Four words are a final before the turn is over.
    stream.write(sayTones(['two', 'three', 'four', 'five']));
    await expect.poll(() => events.filter(({ type }) => type === 'final').length).toBe(2);
    fakes[0]!.server.faults.refuse = 500;
    fakes[0]!.server.dropAll();
    await expect.poll(() => fakes[1]!.server.requests.length).toBe(1);
    stream.write(sayTones(['six']));
    stream.write(SILENCE);
    await expect.poll(turns).toEqual(['one', 'two three four five six']);
    const second = events.slice(events.findIndex(({ type }) => type === 'turnEnd') + 1);
    for (const event of second) {
      if (event.type === 'interim') expect('two three four five six').toContain(event.text);
    }
    stream.close();
  });

  test('is replaced when it does not end a turn in time that it was told to end', async () => {
    fakes[0]!.server.faults.silent = true;
    const { stream, turns } = open();
    stream.write(sayTones(['one', 'two']));
    await expect.poll(() => fakes[0]!.samples).toBeGreaterThan(0);
    stream.finalize();
    clock.advance(2_499);
    expect(fakes[1]!.server.requests).toEqual([]);
    clock.advance(1);
    await expect.poll(turns).toEqual(['one two']);
    stream.close();
  });

  test('fails when the last one does, once, and at once while all are left alone', async () => {
    for (const fake of fakes) fake.server.faults.refuse = 401;
    const first = open();
    first.stream.write(sayTones(['one']));
    await expect.poll(() => first.errors.length).toBe(1);
    const second = open();
    await expect
      .poll(() => second.errors.map(({ message }) => message))
      .toEqual(['Left alone for a while after failures: deepgram-0, deepgram-1.']);
    expect(fakes.map(({ server }) => server.requests.length)).toEqual([1, 1]);
  });

  test('says nothing after it was closed', async () => {
    const { stream, events, errors } = open();
    stream.write(sayTones(['one', 'two']));
    stream.close();
    stream.close();
    stream.finalize();
    stream.write(SILENCE);
    fakes[0]!.server.dropAll();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([events, errors]).toEqual([[], []]);
  });
});

test('a stack has one when its first speech to text detects turns, with those behind it that do', () => {
  const environment = { OPENAI_API_KEY: 'k' };
  const detecting = openBook({ stt: ['deepgram-flux', 'whisper-server/any', 'deepgram'], environment });
  expect(detecting.stack.turnDetector!.name).toBe('deepgram-flux');
  expect(openBook({ stt: ['whisper-server/any', 'deepgram'], environment }).stack.turnDetector).toBeNull();
});
