import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  currentEgress,
  EgressContext,
  installEgressGuard,
  withEgress,
  withoutEgress,
} from '../../../src/agent/egress/index.ts';
import { DeepgramStt } from '../../../src/agent/services/stt/deepgram.ts';
import { systemClock } from '../../../src/clock.ts';
import { silentLogger } from '../../../src/telemetry/index.ts';
import { FakeDeepgram } from '../../fakes/deepgram.ts';
import { ScriptedEar } from '../../fakes/scripted-ear.ts';

const SECOND = 16_000;

let fake: FakeDeepgram;
let stt: DeepgramStt;
let uninstall: () => void;
beforeEach(async () => {
  uninstall = installEgressGuard();
  fake = await FakeDeepgram.start({ ear: () => new ScriptedEar(['one two three'], SECOND) });
  stt = new DeepgramStt({ apiKey: fake.apiKey, baseUrl: fake.server.url, clock: systemClock, log: silentLogger });
});
afterEach(async () => {
  stt.close();
  uninstall();
  await fake.close();
});

/** A pinned session that may reach the service, and what it was told to have reached. */
function session(sessionId: string) {
  const reached: string[] = [];
  const egress = new EgressContext({
    ...{ sessionId, pin: '"eu" (request)' },
    hosts: [{ host: '127.0.0.1', service: 'deepgram@eu', region: 'eu' }],
    onAttempt: ({ allowed, by }) => reached.push(`${allowed?.service ?? 'stopped'} ${by}`),
  });
  return { egress, reached };
}

/** Begins to be heard; answers with what ends that and the sessions that events came for. */
function hearing(egress: EgressContext) {
  const cameFor = new Set<string | undefined>();
  return withEgress(egress, () => {
    const utterance = stt.listen({
      signal: new AbortController().signal,
      onInterim: () => cameFor.add(currentEgress()?.sessionId),
    });
    utterance.write(new Int16Array(SECOND).fill(9_000));
    const finish = () =>
      withEgress(egress, () => {
        utterance.write(new Int16Array(SECOND));
        return utterance.finish();
      });
    return { cameFor, finish };
  });
}

test('a connection that another session has opened is told to whom it serves next, whose code its events find', async () => {
  const first = session('s-first');
  expect((await hearing(first.egress).finish()).text).not.toBe('');
  const second = session('s-second');
  const heard = hearing(second.egress);
  await expect.poll(() => heard.cameFor.size).toBe(1);
  await heard.finish();
  expect(fake.server.requests).toHaveLength(1);
  expect(heard.cameFor).toEqual(new Set(['s-second']));
  expect(new Set(second.reached)).toEqual(new Set(['deepgram@eu tcp']));
});

test('one that breaks is opened anew for the session that it serves, not for the one that is gone', async () => {
  const first = session('s-first');
  await hearing(first.egress).finish();
  const second = session('s-second');
  const heard = hearing(second.egress);
  await expect.poll(() => heard.cameFor.size).toBe(1);
  const [before, after] = [first.reached.length, second.reached.length];
  fake.server.dropAll();
  await expect.poll(() => fake.server.requests.length).toBe(2);
  await heard.finish();
  expect(first.reached).toHaveLength(before);
  expect(second.reached.length).toBeGreaterThan(after);
  expect(second.reached).not.toContain('stopped tcp');
});

test('one that was opened for nobody, ahead of calls, carries a pinned session’s words only where it may send them', async () => {
  withoutEgress(() => stt.warm());
  await expect.poll(() => fake.server.openCount).toBe(1);
  const { egress, reached } = session('s-elsewhere');
  const elsewhere = new EgressContext({
    ...{ sessionId: 's-elsewhere', pin: '"au" (request)', hosts: [] },
    onAttempt: ({ allowed, by }) => reached.push(`${allowed?.service ?? 'stopped'} ${by}`),
  });
  await expect(hearing(elsewhere).finish()).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_/) });
  expect(fake.samples).toBe(0);
  expect(new Set(reached)).toEqual(new Set(['stopped tcp', 'stopped http']));
  expect((await hearing(egress).finish()).text).not.toBe('');
});
