import { describe, expect, test } from 'vitest';
import { turnTimelineSchema } from '../../src/agent/client-events.ts';
import { Conversation } from '../../src/agent/conversation.ts';
import { Turn, timelineOf } from '../../src/agent/turn.ts';

describe('a turn', () => {
  test('has parts that add up to its total', () => {
    const turn = new Turn(3, 'speech');
    Object.assign(turn.marks, {
      lastSoundAtMs: 1_000,
      endedAtMs: 1_500,
      transcribedAtMs: 1_510,
      repliedAtMs: 1_511,
      synthesizedAtMs: 1_551,
      audibleAtMs: 1_556,
    });
    const timeline = timelineOf(turn, 40, false);
    expect(timeline).toEqual({
      turn: 3,
      endpointingMs: 500,
      sttMs: 10,
      llmMs: 1,
      ttsMs: 40,
      mouthMs: 5,
      backboneRttMs: 40,
      totalMs: 556,
      interrupted: false,
    });
    expect(turnTimelineSchema.safeParse(timeline).success).toBe(true);
  });

  test('has no timeline before it is audible', () => {
    const turn = new Turn(0, 'call');
    turn.marks.lastSoundAtMs = 5;
    expect(timelineOf(turn, null, false)).toBeNull();
  });

  test('has no endpointing and no transcription when it was typed', () => {
    const turn = new Turn(1, 'text');
    Object.assign(turn.marks, {
      lastSoundAtMs: 0,
      endedAtMs: 0,
      transcribedAtMs: 1,
      repliedAtMs: 2,
      synthesizedAtMs: 3,
      audibleAtMs: 4,
    });
    expect(timelineOf(turn, null, false)).toMatchObject({ endpointingMs: null, sttMs: null, llmMs: 2, totalMs: 4 });
  });

  test('is certain when its end and its words are, in either order', async () => {
    for (const steps of [['confirm', 'verify'] as const, ['verify', 'confirm'] as const]) {
      const turn = new Turn(1, 'speech');
      let told = 0;
      turn.speculate();
      turn.presume();
      turn.onCertain(() => told++);
      turn[steps[0]]();
      expect([turn.certain, told]).toEqual([false, 0]);
      turn[steps[1]]();
      await turn.whenCertain();
      turn[steps[1]]();
      expect([turn.certain, told]).toEqual([true, 1]);
    }
  });

  test('tells that it was misheard only while its words are presumed', () => {
    const turn = new Turn(1, 'speech');
    let told = 0;
    turn.onMisheard(() => told++);
    turn.misheard();
    turn.presume();
    turn.verify();
    turn.misheard();
    expect(told).toBe(0);
    const other = new Turn(2, 'speech');
    other.onMisheard(() => told++);
    other.presume();
    other.misheard();
    other.misheard();
    expect(told).toBe(1);
  });

  test('tells that it is over once, whichever way it ended first', () => {
    const turn = new Turn(1, 'speech');
    let settled = 0;
    turn.onSettled(() => settled++);
    turn.finish();
    turn.abort('interrupted');
    expect(settled).toBe(1);
    expect(turn.signal.aborted).toBe(false);
  });

  test('may be uncertain, and is certain once', async () => {
    const turn = new Turn(1, 'speech');
    turn.speculate();
    let certain = 0;
    turn.onCertain(() => certain++);
    expect(turn.certain).toBe(false);
    turn.confirm();
    turn.confirm();
    expect(certain).toBe(1);
    turn.onCertain(() => certain++);
    expect(certain).toBe(2);
    await turn.whenCertain();
  });

  test('lets go of whoever waits for its certainty when it is over first', async () => {
    const turn = new Turn(1, 'speech');
    turn.speculate();
    let certain = false;
    turn.onCertain(() => {
      certain = true;
    });
    const waiting = turn.whenCertain();
    turn.abort('continued');
    await waiting;
    expect(certain).toBe(false);
  });

  test('may be no turn at all until it is adopted', () => {
    const turn = new Turn(1, 'speech');
    turn.doubt();
    let adopted = 0;
    turn.onAdopted(() => adopted++);
    turn.adopt();
    expect(turn.tentative).toBe(false);
    expect(adopted).toBe(1);
  });

  test('keeps the number of the first turn that it carries on', () => {
    const first = new Turn(4, 'speech');
    const second = new Turn(5, 'speech', first);
    expect(new Turn(6, 'speech', second).root).toBe(4);
  });

  test('counts what was done before it was certain as no time of the caller', () => {
    const turn = new Turn(1, 'speech');
    const marks = { lastSoundAtMs: 0, transcribedAtMs: 300, repliedAtMs: 450, endedAtMs: 500, synthesizedAtMs: 560 };
    Object.assign(turn.marks, marks);
    turn.markAudible(561);
    expect(timelineOf(turn, null, false)).toMatchObject({
      endpointingMs: 500,
      sttMs: 0,
      llmMs: 0,
      ttsMs: 60,
      mouthMs: 1,
      totalMs: 561,
    });
  });

  test('does not become audible after it was aborted', () => {
    const turn = new Turn(1, 'speech');
    turn.abort('interrupted');
    turn.markAudible(10);
    expect(turn.marks.audibleAtMs).toBeNull();
  });
});

describe('the conversation', () => {
  test('replaces the words of an unheard turn by those of the turn that carries it on', () => {
    const conversation = new Conversation();
    const first = new Turn(1, 'speech');
    const second = new Turn(2, 'speech', first);
    conversation.callerSaid(first, 'I would like');
    conversation.callerSaid(second, 'I would like a table');
    expect(conversation.entries).toEqual([{ role: 'caller', turn: 2, text: 'I would like a table' }]);
  });

  test('records nothing where nothing was heard or understood', () => {
    const conversation = new Conversation();
    conversation.callerSaid(new Turn(1, 'speech'), '');
    conversation.agentSaid(new Turn(1, 'speech'), '', true);
    expect(conversation.entries).toEqual([]);
  });

  test('drops the oldest entries beyond its bound', () => {
    const conversation = new Conversation({ maxEntries: 2 });
    for (const number of [1, 2, 3]) conversation.callerSaid(new Turn(number, 'text'), `words ${number}`);
    expect(conversation.entries.map((entry) => entry.turn)).toEqual([2, 3]);
  });
});
