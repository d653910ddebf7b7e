/** What every text-to-speech adapter over a shared WebSocket must do beside speaking: connections, retries, time-outs. */
import { afterEach, describe, expect, test } from 'vitest';
import { refusalOf } from '../../../../src/agent/services/refusal.ts';
import type { SocketTts } from '../../../../src/agent/services/tts/socket-tts.ts';
import {
  type SpeechFault,
  type SpeechSocketFake,
  type SpeechSocketFakeOptions,
  toneVoice,
} from '../../../fakes/speaking-socket.ts';
import type { FakeClock } from '../../../support/fake-clock.ts';
import { collect, joined, never, type TtsFault, type TtsSubject } from './conformance.ts';

export interface SocketFixture {
  fake: SpeechSocketFake;
  clock: FakeClock;
  tts: SocketTts<unknown>;
}

const FAULTS: Record<TtsFault, SpeechFault> = {
  unauthorized: { status: 401 },
  forbidden: { status: 403 },
  'rate-limited': { status: 429 },
  'server-error': { status: 500 },
  overloaded: { status: 503 },
  hang: 'hang',
  stall: 'stall',
  cut: 'cut-after-audio',
  malformed: 'wrong-shape',
  half: 'half-message',
  empty: 'no-audio',
};

/** For the suite of every voice: a fault is one of the protocol, on a connection that is open. */
export function socketSubject({ fake, clock, tts }: SocketFixture): TtsSubject {
  return {
    tts,
    clock,
    fail: (fault) => {
      fake.faults.push(FAULTS[fault], FAULTS[fault]);
    },
    heal: () => {
      fake.faults.length = 0;
    },
    asked: () => fake.received.length > 0,
    spokenTexts: null,
    connections: () => fake.handshakes,
    openCount: () => fake.connectionCount,
    givenUp: () => fake.canceled.length,
    disappear: () => fake.close(),
    close: async () => {
      tts.close();
      expect(tts.connectionCount).toBe(0);
      if (fake.isListening) await fake.close();
    },
  };
}

export interface SocketTraits {
  start(options?: SpeechSocketFakeOptions): Promise<SocketFixture>;
  readonly contextsPerConnection: number;
}

const SENTENCE = 'Welcome to the front desk, how can I help?';

export function testSpeechSocket(name: string, traits: SocketTraits): void {
  describe(`${name} over its socket`, { timeout: 60_000 }, () => {
    const fixtures: SocketFixture[] = [];
    async function start(options: SpeechSocketFakeOptions = {}): Promise<SocketFixture> {
      const fixture = await traits.start(options);
      fixtures.push(fixture);
      return fixture;
    }
    afterEach(async () => {
      for (const { fake, clock, tts } of fixtures.splice(0)) {
        tts.close();
        tts.close();
        await fake.close();
        expect(clock.pendingCount, 'timers that were left').toBe(0);
      }
    });
    const speak = ({ tts }: SocketFixture, text = SENTENCE, signal = never()) =>
      collect(tts.synthesize(text, { signal }));
    const whole = toneVoice(SENTENCE, 24_000).pcm;

    test('speaks every sentence on the connection that is open', async () => {
      const fixture = await start();
      await fixture.tts.open(never());
      expect(fixture.fake.handshakes).toBe(1);
      for (const text of ['One.', 'Two.', 'Three.']) await speak(fixture, text);
      await Promise.all([speak(fixture), speak(fixture, 'At once.')]);
      expect(fixture.fake.handshakes).toBe(1);
    });

    test('opens another connection only for more contexts than one may have', async () => {
      const fixture = await start({ latencyMs: 50 });
      const texts = Array.from({ length: traits.contextsPerConnection + 1 }, (_, index) => `Sentence ${index}.`);
      const all = await Promise.all(texts.map((text) => speak(fixture, text)));
      expect(all.map(joined)).toEqual(texts.map((text) => toneVoice(text, 24_000).pcm));
      expect(fixture.fake.handshakes).toBe(2);
    });

    test('passes audio on as it comes, however slowly', async () => {
      const waiting: (() => void)[] = [];
      const fixture = await start({
        beforePiece: () => new Promise((resolve) => waiting.push(resolve)),
      });
      const chunks = fixture.tts.synthesize(SENTENCE, { signal: never() })[Symbol.asyncIterator]();
      let samples = 0;
      for (let next = chunks.next(); samples < whole.length; next = chunks.next()) {
        await expect.poll(() => waiting.length, { timeout: 10_000 }).toBe(1);
        waiting.shift()!();
        samples += (await next).value?.pcm.length ?? 0;
        // 100 ms of audio in 4 s, and never 5 s without any.
        fixture.clock.advance(4_000);
      }
      expect(samples).toBe(whole.length);
      expect(fixture.clock.now()).toBeGreaterThan(20_000);
    });

    test('drops what still comes of a sentence that was interrupted, and goes on with the next', async () => {
      const fixture = await start({ spacingMs: 5 });
      const controller = new AbortController();
      const chunks = fixture.tts.synthesize(SENTENCE, { signal: controller.signal })[Symbol.asyncIterator]();
      await chunks.next();
      controller.abort('interrupted');
      const next = speak(fixture);
      await expect(chunks.next()).rejects.toBe('interrupted');
      expect((await chunks.next()).done).toBe(true);
      expect(joined(await next)).toEqual(whole);
      expect(fixture.fake.canceled).toEqual(['sentence-1']);
      expect(fixture.fake.handshakes).toBe(1);
    });

    test('gives nothing of a turn that is over, not even what came in time', async () => {
      const fixture = await start();
      const controller = new AbortController();
      const chunks = fixture.tts.synthesize(SENTENCE, { signal: controller.signal })[Symbol.asyncIterator]();
      await chunks.next();
      await speak(fixture, 'By now all of the first sentence has come.');
      controller.abort('interrupted');
      await expect(chunks.next()).rejects.toBe('interrupted');
    });

    test('cancels at the service at once, also when nobody is reading', async () => {
      const fixture = await start({ spacingMs: 20 });
      const controller = new AbortController();
      const chunks = fixture.tts.synthesize(SENTENCE.repeat(5), { signal: controller.signal })[Symbol.asyncIterator]();
      await chunks.next();
      controller.abort('interrupted');
      await expect.poll(() => fixture.fake.canceled.length, { timeout: 10_000 }).toBe(1);
      await expect(chunks.next()).rejects.toBe('interrupted');
    });

    test.each<SpeechFault>(['cut-before-audio', 'half-message', 'wrong-shape'])(
      'tries a sentence once more on a new connection after a %s',
      async (fault) => {
        const fixture = await start();
        fixture.fake.faults.push(fault);
        expect(joined(await speak(fixture))).toEqual(whole);
        expect(fixture.fake.handshakes).toBe(2);
      },
    );

    test('tries no third time', async () => {
      const fixture = await start();
      fixture.fake.faults.push('cut-before-audio', 'cut-before-audio');
      await expect(speak(fixture)).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
      expect(fixture.fake.handshakes).toBe(2);
    });

    test('fails a sentence that has begun to sound, after all that came of it', async () => {
      const fixture = await start();
      fixture.fake.faults.push('cut-after-audio');
      let samples = 0;
      const hear = async () => {
        for await (const { pcm } of fixture.tts.synthesize(SENTENCE, { signal: never() })) samples += pcm.length;
      };
      await expect(hear()).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
      expect(samples).toBe(2_400);
      expect(fixture.fake.handshakes).toBe(1);
    });

    test('survives a warm connection that is gone when it is needed', async () => {
      const fixture = await start();
      await fixture.tts.open(never());
      fixture.fake.dropConnections();
      expect(joined(await speak(fixture))).toEqual(whole);
      expect(fixture.fake.handshakes).toBe(2);
    });

    test.each<SpeechFault>(['bad-base64', 'no-audio', { status: 500 }])(
      'fails one sentence, and no other, for %o',
      async (fault) => {
        const fixture = await start();
        await fixture.tts.open(never());
        fixture.fake.faults.push(fault);
        const failing = speak(fixture, 'Bad.');
        const other = speak(fixture);
        await expect(failing).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
        expect(joined(await other)).toEqual(whole);
        expect(fixture.fake.handshakes).toBe(1);
      },
    );

    test('stops a service that does not end', async () => {
      const fixture = await start();
      fixture.fake.faults.push('endless');
      await expect(speak(fixture)).rejects.toMatchObject({ message: expect.stringMatching(/far more audio/) });
      await expect.poll(() => fixture.fake.canceled, { timeout: 10_000 }).toEqual(['sentence-1']);
      expect(fixture.fake.handshakes).toBe(1);
    });

    test.each([
      [401, 'ERR_SERVICE_FAILED', /key \(401\)/],
      [403, 'ERR_SERVICE_FAILED', /key \(403\)/],
      [429, 'ERR_SERVICE_UNAVAILABLE', /rate or quota \(429\)/],
      [500, 'ERR_SERVICE_FAILED', /\(500\)/],
      [503, 'ERR_SERVICE_UNAVAILABLE', /\(503\)/],
    ])('has a code for a handshake that is refused with %i', async (status, code, words) => {
      const fixture = await start();
      fixture.fake.refusesWith = status;
      fixture.fake.retryAfterSeconds = 4;
      const failing = speak(fixture);
      await expect(failing).rejects.toMatchObject({ code, message: expect.stringMatching(words) });
      expect(refusalOf(await failing.catch((error: unknown) => error))).toMatchObject({ status, retryAfterMs: 4_000 });
      await expect(fixture.tts.open(never())).rejects.toMatchObject({ code });
      expect(fixture.fake.handshakes).toBe(2);
      fixture.fake.refusesWith = null;
      expect(joined(await speak(fixture))).toEqual(whole);
    });

    test('gives a handshake up that is not answered', async () => {
      const fixture = await start();
      fixture.fake.hangsAtHandshake = true;
      const speaking = speak(fixture);
      await expect.poll(() => fixture.fake.handshakes, { timeout: 10_000 }).toBe(1);
      fixture.clock.advance(5_000);
      await expect(speaking).rejects.toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
      expect(fixture.tts.connectionCount).toBe(0);
    });

    test('leaves a connection on which nothing came in time', async () => {
      const fixture = await start();
      await fixture.tts.open(never());
      fixture.fake.faults.push('hang');
      const waiting = speak(fixture);
      await expect.poll(() => fixture.fake.speaking, { timeout: 10_000 }).toBe(1);
      fixture.clock.advance(5_000);
      await expect(waiting).rejects.toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
      expect(joined(await speak(fixture))).toEqual(whole);
      expect(fixture.fake.handshakes).toBe(2);
    });

    test('closes a connection that is idle for long, and opens one when it is needed', async () => {
      const fixture = await start();
      await speak(fixture);
      fixture.clock.advance(169_000);
      await speak(fixture);
      expect(fixture.fake.handshakes).toBe(1);
      fixture.clock.advance(170_000);
      expect(fixture.tts.connectionCount).toBe(0);
      await speak(fixture);
      expect(fixture.fake.handshakes).toBe(2);
    });

    test('leaves nothing behind after many sentences', async () => {
      const fixture = await start({ pieceMs: 1_000 });
      for (let round = 0; round < 20; round++) {
        await Promise.all(Array.from({ length: 5 }, (_, index) => speak(fixture, `${round} and ${index}.`)));
      }
      expect(fixture.clock.pendingCount).toBe(fixture.tts.connectionCount);
      expect(fixture.tts.connectionCount).toBe(1);
    });

    test('ends what is spoken when it is closed, and speaks no more', async () => {
      const fixture = await start({ latencyMs: 10_000 });
      const speaking = speak(fixture);
      await expect.poll(() => fixture.fake.speaking, { timeout: 10_000 }).toBe(1);
      fixture.tts.close();
      await expect(speaking).rejects.toMatchObject({ code: 'ERR_SHUTTING_DOWN' });
      await expect(speak(fixture)).rejects.toMatchObject({ code: 'ERR_SHUTTING_DOWN' });
      await expect.poll(() => fixture.fake.connectionCount, { timeout: 10_000 }).toBe(0);
    });

    test('refuses a text of more than 10,000 characters, and asks for none that is empty', async () => {
      const fixture = await start();
      await expect(speak(fixture, 'x'.repeat(10_001))).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
      expect(await speak(fixture, ' \n')).toEqual([]);
      expect(fixture.fake.handshakes).toBe(0);
    });
  });
}
