import { describe, expect, test } from 'vitest';
import { CALL_HELP, parseCallArguments } from '../../src/call/arguments.ts';

describe('parseCallArguments()', () => {
  test('fills in what was not said', () => {
    expect(parseCallArguments(['--say', 'a.wav'], {})).toEqual({
      help: false,
      json: false,
      options: {
        url: 'http://localhost:8080/',
        agent: 'front-desk',
        say: ['a.wav'],
        interruptWith: null,
        record: null,
        calls: 1,
        rampSeconds: 0,
        apiKey: null,
      },
    });
  });

  test('takes the port and the API key from the environment, and an argument over it', () => {
    const environment = { PORT: '9000', ANTIPODE_API_KEY: 'from-environment' };
    expect(parseCallArguments(['--say', 'a.wav'], environment)).toMatchObject({
      options: { url: 'http://localhost:9000/', apiKey: 'from-environment' },
    });
    expect(
      parseCallArguments(['--say', 'a.wav', '--url', 'https://pop.example', '--api-key', 'said'], environment),
    ).toMatchObject({ options: { url: 'https://pop.example/', apiKey: 'said' } });
  });

  test('reads several files after one --say, and after several', () => {
    expect(parseCallArguments(['--say', 'a.wav,b.wav', '--say', 'c.wav'], {})).toMatchObject({
      options: { say: ['a.wav', 'b.wav', 'c.wav'] },
    });
  });

  test('reads every option', () => {
    const argv = '--say a --agent echo --interrupt-with b --record out.wav --calls 20 --ramp 2.5 --json'.split(' ');
    expect(parseCallArguments(argv, {})).toMatchObject({
      json: true,
      options: { agent: 'echo', interruptWith: 'b', record: 'out.wav', calls: 20, rampSeconds: 2.5 },
    });
  });

  test('--help asks for nothing else, and the help names every option', () => {
    expect(parseCallArguments(['--help'], {})).toEqual({ help: true });
    const options = ['url', 'agent', 'say', 'interrupt-with', 'record', 'calls', 'ramp', 'api-key', 'json', 'help'];
    for (const option of options) expect(CALL_HELP).toContain(`--${option}`);
  });

  test.each([
    [[], '--say FILE is missing'],
    [['--say', 'a.wav,'], 'empty file name'],
    [['--say', 'a', '--calls', '0'], '--calls must be a whole number from 1 to 500, not "0"'],
    [['--say', 'a', '--calls', '2.5'], '--calls must be a whole number'],
    [['--say', 'a', '--calls', ''], '--calls must be a whole number'],
    [['--say', 'a', '--ramp', '-1'], '--ramp'],
    [['--say', 'a', '--ramp', 'soon'], '--ramp must be a number from 0 to 3600, not "soon"'],
    [['--say', 'a', '--url', 'ftp://x'], '--url must be an http or https URL'],
    [['--say', 'a', '--url', 'nonsense'], '--url must be an http or https URL'],
    [['--say', 'a', '--agent', '../etc'], '--agent must be a name'],
    [['--say', 'a', '--loud'], "Unknown option '--loud'"],
    [['--say', 'a', 'stray'], 'stray'],
    [['--say'], '--say'],
  ])('refuses %j in words', (argv, words) => {
    expect(() => parseCallArguments(argv, {})).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST_MALFORMED', message: expect.stringContaining(words) }),
    );
  });

  test('takes a seat in a room by a name, and may then stay without a word', () => {
    const argv = (text: string) => text.split(' ');
    expect(parseCallArguments(argv('--room kitchen --as Ann --stay 2.5'), {})).toMatchObject({
      options: { seat: { room: 'kitchen', name: 'Ann' }, staySeconds: 2.5, say: [] },
    });
    for (const [text, path] of [
      ['--as Ann --say a', '--room'],
      ['--room kitchen --say a', '--as'],
      ['--room a/b --as Ann --say a', '--room'],
      ['--room kitchen --as Ann', '--say'],
      ['--stay 5', '--say'],
      ['--say a --stay=-1', '--stay'],
    ] as const) {
      expect(() => parseCallArguments(argv(text), {}), text).toThrow(expect.objectContaining({ path }));
    }
    expect(() => parseCallArguments(['--room', 'k', '--as', 'A\nnn', '--say', 'a'], {})).toThrow(
      expect.objectContaining({ path: '--as' }),
    );
  });
});
