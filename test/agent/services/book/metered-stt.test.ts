import { expect, test } from 'vitest';
import type { ServiceRun } from '../../../../src/agent/observe/index.ts';
import { MeteredStt } from '../../../../src/agent/services/book/metered-stt.ts';
import type { Stt, Transcription } from '../../../../src/agent/services/stt.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

function setUp({ asks = true } = {}) {
  const clock = new FakeClock();
  const words = Promise.withResolvers<Transcription>();
  const asked: PromiseWithResolvers<boolean>[] = [];
  const stt: Stt = {
    name: 'fake',
    listen: () => ({
      write() {},
      ...(asks && {
        ask: () => {
          const answer = Promise.withResolvers<boolean>();
          asked.push(answer);
          return answer.promise;
        },
      }),
      finish: () => words.promise,
      close() {},
    }),
  };
  const runs: ServiceRun[] = [];
  const metered = new MeteredStt(stt, { clock, service: 'fake', model: null, region: null });
  const utterance = metered.listen({
    signal: new AbortController().signal,
    watch: { ran: (run) => runs.push(run), failedOver: () => {} },
  });
  const startMs = clock.now();
  const told = () => runs.map((run) => [run.startedAtMs - startMs, run.firstAtMs! - startMs, run.endedAtMs - startMs]);
  return { clock, utterance, asked, words, runs, told };
}

const second = new Int16Array(16_000);

test('words that were asked for before the end took as long as from then', async () => {
  const { clock, utterance, asked, words, runs, told } = setUp();
  utterance.write(second);
  clock.advance(10);
  const answer = utterance.ask!();
  clock.advance(47);
  asked[0]!.resolve(true);
  expect(await answer).toBe(true);
  clock.advance(400);
  words.resolve({ text: 'yes' });
  await utterance.finish();
  utterance.close();
  expect(told()).toEqual([[10, 57, 57]]);
  expect(runs).toMatchObject([{ outcome: 'ok', usage: { audioInSeconds: 1 } }]);
});

test('words of what was said after the last asking took as long as from the end', async () => {
  const { clock, utterance, asked, words, told } = setUp();
  utterance.write(second);
  const answer = utterance.ask!();
  asked[0]!.resolve(true);
  await answer;
  utterance.write(second);
  clock.advance(500);
  const finishing = utterance.finish();
  clock.advance(60);
  words.resolve({ text: 'yes' });
  await finishing;
  expect(told()).toEqual([[500, 560, 560]]);
});

test('a service that cannot be asked before the end is not', () => {
  expect(setUp({ asks: false }).utterance.ask).toBeUndefined();
});
