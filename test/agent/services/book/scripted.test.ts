/** What no server on loopback does: services that break their contract, or come back at the right moment. */
import { describe, expect, test } from 'vitest';
import {
  CircuitBreaker,
  type Endpoint,
  ResilientLlm,
  ResilientStt,
  serviceMetrics,
} from '../../../../src/agent/services/book/index.ts';
import type { Llm, LlmRequest } from '../../../../src/agent/services/llm.ts';
import type { Stt } from '../../../../src/agent/services/stt.ts';
import { AntipodeError } from '../../../../src/errors.ts';
import { createMetrics, silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const never = new AbortController().signal;

function line<S extends { name: string }>(services: readonly S[]) {
  const clock = new FakeClock();
  const endpoints = services.map(
    (service): Endpoint<S> => ({
      label: service.name,
      service,
      breaker: new CircuitBreaker({ clock, random: () => 0.5 }),
      firstResponseMs: 1_000,
    }),
  );
  const { failovers, hedges } = serviceMetrics(createMetrics({ processMetrics: false }));
  return { clock, endpoints, options: { clock, endpoints, log: silentLogger, failovers, hedges } };
}

/** Gives the first sample of each piece that it was given, as its words. */
function echoStt(name: string, fails: () => boolean = () => false): Stt {
  return {
    name,
    listen() {
      const heard: number[] = [];
      return {
        write: (pcm) => heard.push(pcm[0]!),
        finish: async () => {
          if (fails()) throw new AntipodeError('ERR_SERVICE_FAILED', `${name} broke.`);
          return { text: `${name}: ${heard.join(' ')}` };
        },
        close() {},
      };
    },
  };
}

const piece = (value: number) => new Int16Array(160).fill(value);

describe('speech to text', () => {
  test('gives the next service the latest of an utterance that is longer than what is kept', async () => {
    const { options, clock } = line([echoStt('first', () => true), echoStt('second')]);
    const utterance = new ResilientStt({ ...options, maxKeptMs: 30 }).listen({ signal: never });
    for (const value of [1, 2, 3, 4, 5]) utterance.write(piece(value));
    expect(await utterance.finish()).toEqual({ text: 'second: 3 4 5' });
    expect(clock.pendingCount).toBe(0);
  });

  test('asks for the words before the end only a service that can be asked so', async () => {
    const plain = line([echoStt('plain')]);
    expect(new ResilientStt(plain.options).listen({ signal: never }).ask).toBeUndefined();
    let asked = 0;
    const asking: Stt = {
      name: 'asking',
      listen: (options) => ({
        ...echoStt('asking').listen(options),
        ask: async () => {
          asked++;
          return true;
        },
      }),
    };
    const { options } = line([asking, echoStt('second')]);
    const utterance = new ResilientStt(options).listen({ signal: never });
    utterance.write(piece(1));
    expect(await utterance.ask!()).toBe(true);
    expect(asked).toBe(1);
    expect(await utterance.finish()).toEqual({ text: 'asking: 1' });
  });

  test('passes over a service that does not listen at all', async () => {
    const deaf: Stt = {
      name: 'deaf',
      listen() {
        throw new AntipodeError('ERR_SHUTTING_DOWN', 'Speech to text is closed.');
      },
    };
    const { options } = line([deaf, echoStt('second')]);
    const utterance = new ResilientStt(options).listen({ signal: never });
    utterance.write(piece(7));
    expect(await utterance.finish()).toEqual({ text: 'second: 7' });
  });

  test('asks a service that came back while the caller spoke, with all that was said', async () => {
    let isBroken = true;
    const { options, clock } = line([echoStt('only', () => isBroken)]);
    const stt = new ResilientStt(options);
    for (let count = 0; count < 3; count++) {
      await expect(stt.listen({ signal: never }).finish()).rejects.toThrow('only broke.');
    }
    const utterance = stt.listen({ signal: never });
    utterance.write(piece(1));
    clock.advance(10_000);
    isBroken = false;
    utterance.write(piece(2));
    expect(await utterance.finish()).toEqual({ text: 'only: 1 2' });
  });
});

describe('a language model', () => {
  const request: LlmRequest = { instructions: '', entries: [], said: '', tools: [], signal: never };
  const text = async (llm: Llm, signal = never) => {
    let all = '';
    for await (const event of llm.respond({ ...request, signal })) if (event.type === 'text') all += event.text;
    return all;
  };

  const saying = (name: string, ...words: string[]): Llm => ({
    name,
    async *respond() {
      for (const word of words) yield { type: 'text', text: word };
    },
  });

  /** Says its words and then nothing for ever, whatever it is told. */
  const stubborn = (...words: string[]): Llm => ({
    name: 'stubborn',
    async *respond() {
      for (const word of words) yield { type: 'text', text: word };
      await new Promise(() => {});
    },
  });

  test('that does not heed its signal holds up neither the next one nor the caller', async () => {
    const { options, clock } = line([stubborn(), saying('second', 'Hello.')]);
    const llm = new ResilientLlm(options);
    const answering = text(llm);
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1_000);
    expect(await answering).toBe('Hello.');
    const turn = new AbortController();
    const interrupted = text(new ResilientLlm(line([stubborn('So, ')]).options), turn.signal);
    await new Promise((resolve) => setImmediate(resolve));
    turn.abort('interrupted');
    await expect(interrupted).rejects.toBe('interrupted');
    expect(clock.pendingCount).toBe(0);
  });

  test('that has begun may take its time: only its first words are waited for', async () => {
    const more = Promise.withResolvers<void>();
    const slow: Llm = {
      name: 'slow',
      async *respond() {
        yield { type: 'text', text: 'Well, ' };
        await more.promise;
        yield { type: 'text', text: 'yes.' };
      },
    };
    const { options, clock } = line([slow, saying('second', 'no.')]);
    const answering = text(new ResilientLlm(options));
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(60_000);
    more.resolve();
    expect(await answering).toBe('Well, yes.');
  });

  test('is joined to the one before by a space, where neither brought one', async () => {
    const broken = (words: string): Llm => ({
      name: 'broken',
      async *respond() {
        yield { type: 'text', text: words };
        throw new AntipodeError('ERR_SERVICE_FAILED', 'It broke.');
      },
    });
    const joined = (before: string, after: string) =>
      text(new ResilientLlm(line([broken(before), saying('second', after)]).options));
    expect(await joined('We are', 'open.')).toBe('We are open.');
    expect(await joined('We are ', 'open.')).toBe('We are open.');
    expect(await joined('We are', ' open.')).toBe('We are open.');
    expect(await joined('We are open', ', always.')).toBe('We are open, always.');
  });

  test('whose answer is not read to its end is let go of, and is no failure', async () => {
    let isGone = false;
    const long: Llm = {
      name: 'long',
      async *respond({ signal }) {
        try {
          for (;;) {
            signal.throwIfAborted();
            yield { type: 'text', text: 'and ' };
          }
        } finally {
          isGone = true;
        }
      },
    };
    const { options, endpoints } = line([long]);
    for await (const _ of new ResilientLlm(options).respond(request)) break;
    await expect.poll(() => isGone).toBe(true);
    expect(endpoints[0]!.breaker.state).toMatchObject({ name: 'closed', inRow: 0 });
  });
});
