import { describe, expect, test } from 'vitest';
import {
  breakOf,
  ResidencyRecord,
  type ResidencyTouch,
  residencyRecordSchema,
} from '../../src/placement/residency-record.ts';

const touch = (name: string, overrides: Partial<ResidencyTouch> = {}): ResidencyTouch => ({
  kind: 'endpoint',
  name,
  region: 'eu-central-1',
  jurisdiction: 'EU',
  detail: 'llm',
  ...overrides,
});

function record() {
  let seconds = 0;
  const kept = new ResidencyRecord({
    sessionId: 's-1',
    pins: [{ places: ['eu'], from: 'request' }],
    date: () => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds++)),
  });
  kept.touched(touch('pop-fra', { kind: 'node', detail: 'POP' }));
  kept.touched(touch('core-fra', { kind: 'node', detail: 'core' }));
  kept.touched(touch('openai@eu'));
  return kept;
}

describe('a residency record', () => {
  test('holds each place once, in the order in which it was touched, and is whole', () => {
    const kept = record();
    kept.touched(touch('openai@eu'));
    kept.ended('the caller left');
    const view = residencyRecordSchema.parse(kept.view());
    expect(view.entries.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'node pop-fra',
      'node core-fra',
      'endpoint openai@eu',
      'ended s-1',
    ]);
    expect(view.entries[2]!.at).toBe('2026-01-01T00:00:02.000Z');
    expect(breakOf(view)).toBeNull();
  });

  test('shows an entry that is missing, changed, moved or added later', () => {
    const { entries, ...rest } = record().view();
    const [first, second, third] = entries;
    expect(breakOf({ ...rest, entries: [first!, third!] })).toMatchObject({ seq: 1 });
    expect(breakOf({ ...rest, entries: [second!, third!] })).toMatchObject({ seq: 0 });
    const changed = { ...second!, region: 'us-east-1' };
    expect(breakOf({ ...rest, entries: [first!, changed, third!] })).toEqual({ seq: 1, reason: 'it was changed' });
    expect(breakOf({ ...rest, entries: [second!, first!, third!] })).toMatchObject({ seq: 0 });
    expect(breakOf({ ...rest, pins: [], entries })).toMatchObject({ seq: 0 });
    expect(breakOf({ ...rest, sessionId: 's-2', entries })).toMatchObject({ seq: 0 });
  });

  test('of a session that is over shows that its last entries are missing', () => {
    const kept = record();
    kept.ended('over');
    const { entries, ...rest } = kept.view();
    expect(breakOf({ ...rest, entries }, { over: true })).toBeNull();
    const cut = { ...rest, entries: entries.slice(0, 2) };
    expect(breakOf(cut)).toBeNull();
    expect(breakOf(cut, { over: true })).toEqual({ seq: 2, reason: 'its last entries are missing' });
  });

  test('takes nothing after its end', () => {
    const kept = record();
    kept.ended('over');
    kept.ended('over again');
    kept.touched(touch('late'));
    expect(kept.view().entries).toHaveLength(4);
  });

  test('counts what finds no room', () => {
    const kept = record();
    for (let index = 0; index < 2_000; index++) kept.touched(touch('evil.example', { kind: 'stopped' }));
    kept.ended('over');
    const { entries } = residencyRecordSchema.parse(kept.view());
    expect(entries).toHaveLength(1_002);
    expect(entries.at(-2)).toMatchObject({ kind: 'dropped', detail: expect.stringMatching(/^1003 more/) });
    expect(breakOf(kept.view())).toBeNull();
  });
});
