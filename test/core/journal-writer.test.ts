import { beforeEach, describe, expect, it } from 'vitest';
import type { WireNote } from '../../src/agent/journal/index.ts';
import { type JournalFrame, JournalWriter } from '../../src/core/journal-writer.ts';
import { PacketTrail } from '../../src/core/packet-trail.ts';
import { CallJournal } from '../../src/edge/journal.ts';

const said = (turn: number): WireNote => ({
  type: 'context',
  change: { at: turn, removed: 0, added: [{ role: 'caller', turn, text: `words ${turn}` }] },
});
const soon = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a journal, from its writer to the POP', () => {
  let frames: JournalFrame[];
  let up: boolean;
  let writer: JournalWriter;
  let journal: CallJournal;

  const newWriter = (options: { maxWaiting?: number } = {}) =>
    new JournalWriter({
      ...options,
      send(frame) {
        if (up) frames.push(structuredClone(frame));
        return up;
      },
    });
  const turnsAtPop = () => journal.state?.context.map(({ turn }) => turn);
  const deliver = () => {
    for (const frame of frames.splice(0)) {
      const to = journal.take(frame);
      if (to !== null) writer.acknowledged(to);
    }
  };

  beforeEach(() => {
    frames = [];
    up = true;
    writer = newWriter();
    journal = new CallJournal();
  });

  it('sends what is noted at once in one frame, and keeps it until it is acknowledged', async () => {
    expect(journal.state).toBe(null);
    writer.note(said(0));
    writer.note(said(1));
    await soon();
    expect(frames).toMatchObject([{ from: 1, restart: true, notes: [{}, {}] }]);
    expect(writer.waiting).toBe(2);
    deliver();
    expect(writer.waiting).toBe(0);
    expect(turnsAtPop()).toEqual([0, 1]);
    writer.note(said(2));
    await soon();
    expect(frames).toMatchObject([{ from: 3, restart: false }]);
  });

  it('makes one of the pieces in which words and sound come, and tells them with the sentence', async () => {
    for (const text of ['One', ' two', ' three.']) writer.note({ type: 'reply', turn: 0, text });
    await soon();
    expect(frames).toEqual([]);
    writer.note({ type: 'sentence', turn: 0, text: 'One two three.' });
    for (let piece = 0; piece < 4; piece++) writer.note({ type: 'sound', turn: 0, ms: 40, words: [] });
    await soon();
    expect(frames.flatMap(({ notes }) => notes)).toEqual([
      { type: 'reply', turn: 0, text: 'One two three.' },
      { type: 'sentence', turn: 0, text: 'One two three.' },
      { type: 'sound', turn: 0, ms: 160, words: [] },
    ]);
    writer.note({ type: 'sound', turn: 0, ms: 199, words: [] });
    await soon();
    expect(frames).toHaveLength(1);
    writer.note({ type: 'sound', turn: 0, ms: 1, words: [] });
    await soon();
    expect(frames.at(-1)?.notes).toEqual([{ type: 'sound', turn: 0, ms: 200, words: [] }]);
  });

  it('tells of a tool before it can begin', () => {
    const tool = {
      role: 'tool',
      turn: 0,
      callId: 'c',
      name: 'pay',
      arguments: '{}',
      result: '',
      pending: true,
    } as const;
    writer.note({ type: 'context', change: { at: 0, removed: 0, added: [tool] } });
    expect(frames).toHaveLength(1);
  });

  it('sends again what was lost with the channel, and the POP takes each note once and in order', async () => {
    writer.note(said(0));
    await soon();
    frames = [];
    writer.note(said(1));
    await soon();
    expect(journal.take(frames[0] as JournalFrame)).toBe(null);
    expect(journal.state).toBe(null);
    up = false;
    writer.note(said(2));
    await soon();
    up = true;
    frames = [];
    writer.resend();
    deliver();
    expect(turnsAtPop()).toEqual([0, 1, 2]);
    expect(writer.waiting).toBe(0);
    writer.resend();
    expect(frames).toEqual([]);
  });

  it('tells the state from the start when too much has waited', async () => {
    writer = newWriter({ maxWaiting: 3 });
    writer.note(said(0));
    await soon();
    deliver();
    up = false;
    for (let turn = 1; turn < 20; turn++) writer.note(said(turn));
    await soon();
    expect(writer.waiting).toBeLessThanOrEqual(3);
    up = true;
    writer.resend();
    deliver();
    expect(turnsAtPop()).toEqual(Array.from({ length: 20 }, (_, turn) => turn));
    writer.note(said(20));
    await soon();
    deliver();
    expect(turnsAtPop()).toHaveLength(21);
  });

  it('splits what is long over frames that a control channel carries', async () => {
    for (let turn = 0; turn < 40; turn++) {
      const change = { at: turn, removed: 0, added: [{ role: 'caller', turn, text: 'x'.repeat(16_000) } as const] };
      writer.note({ type: 'context', change });
    }
    await soon();
    expect(Math.max(...frames.map((frame) => JSON.stringify(frame).length))).toBeLessThan(64_000);
    deliver();
    expect(turnsAtPop()).toHaveLength(40);
  });

  it('says when the POP has all that was noted, and not before', async () => {
    const done: string[] = [];
    const kept = (name: string) =>
      void writer.whenKept().then(
        () => done.push(name),
        (error) => done.push(`${name} ${error.code}`),
      );
    kept('nothing');
    writer.note(said(0));
    kept('first');
    writer.note(said(1));
    kept('second');
    await soon();
    expect(done).toEqual(['nothing']);
    writer.acknowledged(1);
    await soon();
    expect(done).toEqual(['nothing', 'first']);
    deliver();
    await soon();
    expect(done).toEqual(['nothing', 'first', 'second']);
    writer.note(said(2));
    kept('third');
    writer.close();
    kept('fourth');
    await soon();
    expect(done.slice(3)).toEqual(['third ERR_SESSION_ENDED', 'fourth ERR_SESSION_ENDED']);
  });

  it('says it also of what was numbered anew after too much had waited', async () => {
    writer = newWriter({ maxWaiting: 3 });
    up = false;
    let isKept = false;
    for (let turn = 0; turn < 10; turn++) writer.note(said(turn));
    void writer.whenKept().then(() => {
      isKept = true;
    });
    up = true;
    writer.resend();
    await soon();
    expect(isKept).toBe(false);
    deliver();
    await soon();
    expect(isKept).toBe(true);
    expect(turnsAtPop()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('does not believe acknowledgements of what was not sent', async () => {
    up = false;
    writer.note(said(0));
    await soon();
    writer.acknowledged(1);
    writer.acknowledged(1_000);
    expect(writer.waiting).toBe(1);
  });

  it('gives up a journal that is too long, once, and says so', async () => {
    let givenUp = 0;
    journal = new CallJournal({ maxCharacters: 100, onGivenUp: () => givenUp++ });
    for (let turn = 0; turn < 9; turn++) writer.note(said(turn));
    await soon();
    deliver();
    expect(journal.state).toBe(null);
    expect(givenUp).toBe(1);
    expect(writer.waiting).toBe(0);
  });

  it('keeps the state until the next core has written, which begins anew', async () => {
    writer.note(said(0));
    writer.note(said(1));
    await soon();
    deliver();
    const before = journal;
    const { resume, journal: following } = journal.following(480);
    expect(resume).toMatchObject({ playedTimestamp: 480, journal: { context: [{ turn: 0 }, { turn: 1 }] } });
    expect(following.following(960).resume).toBe(resume);
    journal = following;
    writer = new JournalWriter({ send: (frame) => frames.push(frame) > 0, state: journal.state ?? undefined });
    writer.note(said(2));
    await soon();
    deliver();
    expect(turnsAtPop()).toEqual([0, 1, 2]);
    // The former core may have the call on: its journal is as it was.
    expect(before.newest).toBe(2);
    expect(before.state?.context.map(({ turn }) => turn)).toEqual([0, 1]);
  });

  it('waits with what is noted while the session is paused, and sends it when the session goes on', async () => {
    writer.note(said(0));
    writer.pause();
    expect(writer.newest).toBe(1);
    writer.note(said(1));
    await soon();
    expect(writer.newest).toBe(1);
    deliver();
    expect(turnsAtPop()).toEqual([0]);
    writer.goOn();
    deliver();
    expect(turnsAtPop()).toEqual([0, 1]);
  });
});

describe('PacketTrail', () => {
  it('finds the newest packet that lies before a position, as far back as it reaches', () => {
    const trail = new PacketTrail();
    expect(trail.before(1_000)).toBe(null);
    for (let number = 10; number < 5_010; number++) trail.add(number, (number - 9) * 320);
    expect(trail.before(5_000 * 320)).toBe(5_009);
    expect(trail.before(4_000 * 320 + 319)).toBe(4_009);
    expect(trail.before(4_000 * 320 - 1)).toBe(4_008);
    expect(trail.before(320)).toBe(null);
  });
});
