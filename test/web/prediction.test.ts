import { describe, expect, it } from 'vitest';
import { elsewhereWords, hasUnknownPlace, partRows, pinWords } from '../../web/src/client/prediction.ts';
import { FAKE_PLACEMENT } from './fake-pop.ts';

const prediction = FAKE_PLACEMENT.prediction!;

describe('a prediction on the page', () => {
  it('has its parts in the order of a turn, with shares that make a whole', () => {
    const rows = partRows(prediction);
    expect(rows.map(({ name }) => name)).toEqual([
      'Noticing the end',
      'You to POP',
      'POP to core',
      'Speech to text',
      'Language model',
      'Text to speech',
    ]);
    expect(rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    const details = rows.map(({ part, detail }) => `${part}: ${detail}`);
    expect(details).toContain('llm: openai@us, by catalogue, path by matrix');
    expect(details).toContain('callerPop: by distance');
    expect(details).toContain('stt: null');
  });

  it('says how much is behind a figure that was measured, how old it is, and what share it has', () => {
    const details = (measured: NonNullable<typeof prediction.measured>) =>
      partRows({
        ...prediction,
        sources: { ...prediction.sources, llm: 'measured', 'llm k': 'measured', popCore: 'measured' },
        measured,
      }).map(({ part, detail }) => `${part}: ${detail}`);
    const all = details({
      llm: { count: 240, ageMs: 12_400 },
      'llm k': { count: 31, ageMs: 60_000 },
      popCore: { ageMs: 3_000 },
    });
    expect(all).toContain(
      'llm: openai@us, by measurement (240 requests, 12 s ago), path by matrix, round trips by measurement (31 turns, 60 s ago)',
    );
    expect(all).toContain('popCore: by measurement (3 s ago)');
    expect(details({ llm: { count: 1, ageMs: 0, confidence: 0.05 } })).toContain(
      'llm: openai@us, by measurement (1 request, 0 s ago, counting 5 %), path by matrix, round trips by measurement',
    );
  });

  it('says when a path counts as the longest because nobody knows a place', () => {
    expect(hasUnknownPlace(prediction)).toBe(false);
    expect(hasUnknownPlace({ ...prediction, sources: { 'llm path': 'assumed' } })).toBe(true);
    // A service time that nobody published is no unknown place.
    expect(hasUnknownPlace({ ...prediction, sources: { llm: 'assumed', callerPop: 'assumed' } })).toBe(false);
  });

  it('leaves out parts that take no time, and puts those that it does not know last', () => {
    const rows = partRows({ ...prediction, parts: { juggling: 5, tts: 0, llm: 10 } });
    expect(rows.map(({ name }) => name)).toEqual(['Language model', 'juggling']);
  });

  it('says how much slower it would be elsewhere, or why it could not be there', () => {
    const [sydney, frankfurt] = prediction.alternatives;
    expect(elsewhereWords(sydney!, prediction)).toBe('380 ms slower');
    expect(elsewhereWords(frankfurt!, prediction)).toBe('eu-central-1 is outside the pin "us" (request)');
    const faster = { ...sydney!, predictedMs: { p50: 1_600, p95: 9_000 } };
    expect(elsewhereWords(faster, prediction)).toBe('24 ms faster, but dearer, fuller or less steady');
    expect(pinWords(prediction.pins[0]!)).toBe('us or au, by the request');
  });
});
