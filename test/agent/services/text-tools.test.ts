import { describe, expect, test } from 'vitest';
import { grammarWords, pickPronunciations } from '../../../src/agent/services/stt/jsgf.ts';
import { judge } from '../../../src/agent/services/stt/pocketsphinx-result.ts';
import { SentenceCutter } from '../../../src/agent/services/tts/sentences.ts';
import { buildWav, parseWav } from '../../../src/agent/services/wav.ts';

describe('the sentence cutter', () => {
  const cut = (...pieces: string[]) => {
    const cutter = new SentenceCutter();
    const sentences = pieces.flatMap((piece) => cutter.push(piece));
    const last = cutter.finish();
    return last === null ? sentences : [...sentences, last];
  };

  test('gives a sentence as soon as the next one begins', () => {
    const cutter = new SentenceCutter();
    expect(cutter.push('Hello there.')).toEqual([]);
    expect(cutter.push(' How')).toEqual(['Hello there.']);
  });

  test('puts sentences together that come in pieces', () => {
    expect(cut('One', '. Tw', 'o! Thr', 'ee? Fo', 'ur')).toEqual(['One.', 'Two!', 'Three?', 'Four']);
  });

  test('does not cut numbers, names of sites and abbreviations', () => {
    const text = 'It is 7.30 p.m. for Mr. Smith at example.com now.';
    expect(cut(`${text} Fine.`)).toEqual([text, 'Fine.']);
  });

  test('gives the first clause of a long first sentence, and whole sentences after it', () => {
    const text =
      'Of course, I can book a table for the two of you, by the window, if you like. Fine, and so on, is it?';
    expect(cut(text)).toEqual([
      'Of course, I can book a table for the two of you,',
      'by the window, if you like.',
      'Fine, and so on, is it?',
    ]);
  });

  test('knows the marks of scripts without spaces', () => {
    expect(cut('今日は。', '元気ですか？はい。')).toEqual(['今日は。', '元気ですか？', 'はい。']);
  });

  test('cuts a sentence without end at a comma, or at a space', () => {
    const long = `${'word '.repeat(30)}word, ${'more '.repeat(30)}`;
    const parts = cut(long);
    expect(parts[0]).toMatch(/word,$/);
    expect(Math.max(...parts.map((part) => part.length))).toBeLessThanOrEqual(240);
    expect(parts.join(' ')).toBe(long.trim());
  });

  test('has nothing to say for nothing', () => {
    expect(cut('', '  ', '\n')).toEqual([]);
  });
});

describe('WAV', () => {
  test('comes back as it was written', () => {
    const pcm = Int16Array.of(0, 1, -1, 32_767, -32_768);
    expect(parseWav(buildWav({ pcm, sampleRate: 16_000 }))).toEqual({ pcm, sampleRate: 16_000 });
  });

  test('is read to its end when its size was unknown to its writer', () => {
    const file = buildWav({ pcm: Int16Array.of(1, 2, 3), sampleRate: 8_000 });
    file.writeUInt32LE(0xffffffff, 40);
    expect([...parseWav(file).pcm]).toEqual([1, 2, 3]);
  });

  test('gives the first of two channels', () => {
    const file = buildWav({ pcm: Int16Array.of(1, -1, 2, -2), sampleRate: 8_000 });
    file.writeUInt16LE(2, 22);
    expect([...parseWav(file).pcm]).toEqual([1, 2]);
  });

  test('is refused when it is something else', () => {
    const float = buildWav({ pcm: new Int16Array(4), sampleRate: 8_000 });
    float.writeUInt16LE(3, 20);
    for (const file of [Buffer.from('no'), Buffer.alloc(100), float, float.subarray(0, 20)]) {
      expect(() => parseWav(file)).toThrow(expect.objectContaining({ code: 'ERR_SERVICE_FAILED' }));
    }
  });
});

describe('a JSGF grammar', () => {
  test('gives its words and nothing of its syntax', () => {
    const grammar = `#JSGF V1.0;
      grammar desk; // comment words
      /* more comment */
      <hour> = /0.5/ one {tag} | /2/ two;
      public <top> = [please] (count to <hour>)+ | o'clock;`;
    expect(grammarWords(grammar)).toEqual(['count', "o'clock", 'one', 'please', 'to', 'two']);
  });

  test('finds all pronunciations of its words, and adds further ones', () => {
    const dictionary = 'table T EY B AH L\nto T UW\nto(2) T IH\ntop T AA P\n';
    expect(pickPronunciations(dictionary, ['table', 'to'], { table: ['T EY B AO L'] })).toBe(
      'table T EY B AH L\nto T UW\nto(2) T IH\ntable(2) T EY B AO L\n',
    );
  });

  test('is refused when the dictionary lacks one of its words', () => {
    expect(() => pickPronunciations('to T UW\n', ['to', 'antipode'])).toThrow(/antipode/);
  });
});

describe('the judge of pocketsphinx', () => {
  const log = (...words: [string, number, number][]) =>
    [
      'INFO: something else',
      'word                 start end   pprob ascr       lscr       lback',
      ...words.map(([word, frames, score]) => `${word} 10 ${9 + frames} 1.000 ${frames * score} 0 1  `),
    ].join('\n');

  test('believes words that fit', () => {
    expect(judge('what time is it\n', log(['what', 20, -20], ['time(2)', 30, -44]))).toEqual({
      accepted: true,
      text: 'what time is it',
      worst: { word: 'time', frames: 30, score: -44 },
    });
  });

  test('does not believe a sentence with one word that fits badly', () => {
    expect(judge('tell me the time', log(['tell', 20, -15], ['time', 30, -62]))).toMatchObject({
      accepted: false,
      worst: { word: 'time' },
    });
  });

  test('judges neither silence nor words too short to tell', () => {
    expect(judge('a table', log(['<sil>', 40, -90], ['a', 5, -80], ['table', 40, -30])).accepted).toBe(true);
  });

  test('judges short words when there are no others', () => {
    expect(judge('eight', log(['eight', 6, -120], ['<sil>', 88, -3])).accepted).toBe(false);
    expect(judge('eight', log(['eight', 7, -20])).accepted).toBe(true);
  });

  test('understood nothing where there are no words', () => {
    expect(judge('\n', log(['<sil>', 40, -10])).accepted).toBe(false);
  });
});
