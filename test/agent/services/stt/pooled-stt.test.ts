/** What every speech to text that detects turns does with its streams, beside the suite of utterances. */
import { describe, expect, test } from 'vitest';
import { DeepgramStt } from '../../../../src/agent/services/stt/deepgram.ts';
import { DeepgramFlux } from '../../../../src/agent/services/stt/deepgram-flux.ts';
import { silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeDeepgram } from '../../../fakes/deepgram.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const patient = { timeout: 20_000 };

describe.each([
  ['Deepgram nova-3', DeepgramStt],
  ['Deepgram Flux', DeepgramFlux],
])('%s', (_name, Service) => {
  test('closes the streams that are open with itself, without a word to those who hear them, and opens no more', async () => {
    const fake = await FakeDeepgram.start();
    const clock = new FakeClock();
    const stt = new Service({ apiKey: fake.apiKey, baseUrl: fake.server.url, clock, log: silentLogger });
    const told: unknown[] = [];
    const handlers = { onEvent: (event: unknown) => told.push(event), onError: (error: Error) => told.push(error) };
    const closedBefore = stt.open(handlers);
    stt.open(handlers);
    await expect.poll(() => fake.server.openCount, patient).toBe(2);
    closedBefore.close();
    stt.close();
    stt.close();
    await expect.poll(() => fake.server.openCount, patient).toBe(0);
    await expect.poll(() => clock.pendingCount, patient).toBe(0);
    expect(() => stt.open(handlers)).toThrow(expect.objectContaining({ code: 'ERR_SHUTTING_DOWN' }));
    expect(told).toEqual([]);
    await fake.close();
  });
});
