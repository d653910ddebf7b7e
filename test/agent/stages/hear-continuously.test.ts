import { describe, expect, test } from 'vitest';
import type { Frame } from '../../../src/agent/frames.ts';
import type {
  SttStream,
  SttStreamEvent,
  SttStreamHandlers,
  TurnDetectingStt,
} from '../../../src/agent/services/stt.ts';
import { hearContinuously } from '../../../src/agent/stages/hear-continuously.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';

class FakeTurnDetector implements TurnDetectingStt {
  readonly name = 'fake';
  readonly streams: { handlers: SttStreamHandlers; written: number; finalized: number; closed: boolean }[] = [];

  listen(): never {
    throw new Error('not by the utterance');
  }

  open(handlers: SttStreamHandlers): SttStream {
    const stream = { handlers, written: 0, finalized: 0, closed: false };
    this.streams.push(stream);
    return {
      write: (pcm) => {
        stream.written += pcm.length;
      },
      finalize: () => {
        stream.finalized++;
      },
      close: () => {
        stream.closed = true;
      },
    };
  }

  warm(): void {}
  close(): void {}
}

function setUp() {
  const clock = new FakeClock();
  const call = new MemoryCall({ clock });
  const service = new FakeTurnDetector();
  const hearing = hearContinuously({ call, stt: service });
  const out: Frame[] = [];
  const hear = () =>
    hearing.stage.process(
      {
        kind: 'caller-audio',
        audio: { pcm: new Int16Array(320), position: 0, receivedAtMs: 0, origin: 'received' },
      },
      (frame) => out.push(frame),
    );
  hear();
  const say = (event: SttStreamEvent) => service.streams.at(-1)!.handlers.onEvent(event);
  const interim = (text: string) => say({ type: 'interim', text, words: [] });
  const end = (text: string, cause: 'service' | 'finalize' = 'service') => say({ type: 'turnEnd', text, cause });
  const told = () => out.flatMap((frame) => (frame.kind === 'stt-turn' ? [`${frame.event}: ${frame.text}`] : []));
  const interims: string[] = [];
  const controller = new AbortController();
  const listen = () => hearing.stt.listen({ signal: controller.signal, onInterim: (text) => interims.push(text) });
  return { clock, call, service, hearing, hear, say, interim, end, told, listen, interims, controller };
}

describe('hearing continuously', () => {
  test('feeds the service all of the call, and tells turn-taking what it says', () => {
    const { service, hear, say, interim, end, told } = setUp();
    hear();
    interim('hello');
    say({ type: 'eagerEnd', text: 'hello you', confidence: 0.6 });
    say({ type: 'resumed' });
    end('hello you there');
    expect(service.streams[0]!.written).toBe(640);
    expect(told()).toEqual([
      'words: hello',
      'words: hello you',
      'probably-ended: hello you',
      'resumed: hello you',
      'ended: hello you there',
    ]);
  });

  test('has the words of an utterance at once when the service has ended its turn', async () => {
    const { service, interim, end, listen, interims } = setUp();
    interim('what time');
    const utterance = listen();
    interim('what time is it');
    end('What time is it?');
    expect(await utterance.finish()).toEqual({ text: 'What time is it?' });
    expect(interims).toEqual(['what time', 'what time is it']);
    expect(service.streams[0]!.finalized).toBe(0);
  });

  test('takes the words of a probable end without ending the turn at the service', async () => {
    const { service, say, listen } = setUp();
    const utterance = listen();
    say({ type: 'eagerEnd', text: 'is it ten', confidence: 0.5 });
    expect(await utterance.finish()).toEqual({ text: 'is it ten' });
    expect(service.streams[0]!.finalized).toBe(0);
  });

  test('asks the service to end its turn when another judge was faster', async () => {
    const { service, interim, end, listen } = setUp();
    const utterance = listen();
    interim('is it');
    const words = utterance.finish();
    expect(service.streams[0]!.finalized).toBe(1);
    end('is it ten', 'finalize');
    expect(await words).toEqual({ text: 'is it ten' });
  });

  test('does not take for the end of the turn what it asked for itself', async () => {
    const { end, listen, interim, told } = setUp();
    const utterance = listen();
    interim('is it');
    const words = utterance.finish();
    end('is it ten', 'finalize');
    await words;
    interim('or nine');
    end('or nine');
    expect(told()).toEqual(['words: is it', 'asked: is it ten', 'words: or nine', 'ended: or nine']);
  });

  test('gives the words that were asked for to the one that takes its place, and what comes of them', async () => {
    const { service, interim, end, hearing, listen } = setUp();
    const first = listen();
    interim('i would like');
    void first.finish().catch(() => {});
    const second = hearing.stt.listen({ signal: new AbortController().signal, insteadOf: [first] });
    first.close();
    end('i would like', 'finalize');
    interim('a table');
    const words = second.finish();
    expect(service.streams[0]!.finalized).toBe(2);
    end('a table', 'finalize');
    expect(await words).toEqual({ text: 'i would like a table' });
  });

  test('gives words to the one that asked for them, when another one listens by then', async () => {
    const { interim, end, listen } = setUp();
    const first = listen();
    interim('is it ten');
    const words = first.finish();
    const second = listen();
    end('is it ten', 'finalize');
    expect(await words).toEqual({ text: 'is it ten' });
    interim('or nine');
    end('or nine');
    expect(await second.finish()).toEqual({ text: 'or nine' });
  });

  test('does not give the words of a sound that was none to the next utterance', async () => {
    const { interim, end, listen } = setUp();
    const sound = listen();
    interim('mm');
    sound.close();
    const utterance = listen();
    interim('mm stop it');
    end('mm stop it');
    expect(await utterance.finish()).toEqual({ text: 'stop it' });
  });

  test('gives the next utterance all words when it takes the place of the one before', async () => {
    const { say, end, listen } = setUp();
    const first = listen();
    say({ type: 'eagerEnd', text: 'i would like', confidence: 0.5 });
    await first.finish();
    say({ type: 'resumed' });
    const second = listen();
    first.close();
    end('i would like a table');
    expect(await second.finish()).toEqual({ text: 'i would like a table' });
  });

  test('fails the utterance and opens a new stream after a while when the service breaks off', async () => {
    const { clock, call, service, hear, listen } = setUp();
    const words = listen().finish();
    service.streams[0]!.handlers.onError(new Error('gone'));
    await expect(words).rejects.toMatchObject({ code: 'ERR_SERVICE_FAILED' });
    hear();
    expect(service.streams).toHaveLength(1);
    clock.advance(1_000);
    hear();
    expect(service.streams).toHaveLength(2);
    expect(call.observations).toMatchObject([
      { type: 'service-failed', kind: 'stt', service: 'fake', code: 'ERR_SERVICE_FAILED' },
    ]);
  });

  test('tells how much sound was sent, utterance by utterance and the rest at the end', async () => {
    const { call, hearing, service, hear, end } = setUp();
    const runs: number[] = [];
    const utterance = hearing.stt.listen({
      signal: new AbortController().signal,
      watch: { ran: (run) => runs.push(run.usage.audioInSeconds!), failedOver: () => {} },
    });
    hear();
    end('yes');
    await utterance.finish();
    hear();
    hearing.stage.close();
    hearing.stage.close();
    expect(runs).toEqual([0.04]);
    const rest = call.observations.flatMap((each) => (each.type === 'service-run' ? [each.run.usage] : []));
    expect(rest).toEqual([{ audioInSeconds: 0.02 }]);
    expect(service.streams[0]!.closed).toBe(true);
  });

  test('lets an aborted utterance go', async () => {
    const { controller, listen } = setUp();
    const words = listen().finish();
    controller.abort(new Error('over'));
    await expect(words).rejects.toThrow('over');
  });
});
