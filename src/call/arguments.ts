/** The command line of `antipode call`: what may be said, what is meant by it, and what is wrong with it. */
import { parseArgs } from 'node:util';
import { AntipodeError } from '../errors.ts';
import type { CallOptions } from './run-calls.ts';

export const CALL_HELP = `Usage: antipode call --say FILE[,FILE...] [options]

Calls an agent as a browser would, says the files, listens, and measures at its own sockets.

  --url URL              server to call (default: http://localhost:$PORT, PORT 8080 unless set)
  --agent NAME           agent to talk to (default: front-desk)
  --say FILE[,FILE...]   WAV files to say, each after the answer to the one before
  --interrupt-with FILE  WAV file to say 1.5 s into the answer to the last one
  --record FILE          write the agent's audio to a WAV file (FILE-1.wav, FILE-2.wav... for several calls)
  --room NAME            take a seat in this room, whose agent its callers share; hear them, tell who comes and goes
  --as NAME              by this name (NAME-1, NAME-2... for several calls)
  --stay SECONDS         stay so long when all is said (default: 0); in a room --say may then be missing
  --calls N              hold N calls at once, 1..500 (default: 1)
  --ramp SECONDS         spread their starts over this time (default: 0)
  --api-key KEY          API key of the server (default: $ANTIPODE_API_KEY)
  --json                 print one JSON object instead of a table
  --help                 print this

One process carries about ten calls beside a server on the same two cores. "caller late" says how late it fed its
microphones: where that comes near 10 ms, it measures itself, and the calls belong into several processes.

WAV files: 16-bit PCM, mono or stereo, 8 to 48 kHz.
Exit code: 0 when every call connected and was answered, 1 when one was not, 2 when the arguments are wrong.
`;

const MAX_CALLS = 500;
const MAX_RAMP_SECONDS = 3_600;
const MAX_STAY_SECONDS = 86_400;

export type CallArguments = { help: true } | { help: false; json: boolean; options: CallOptions };

function wrong(message: string, path: string): AntipodeError {
  return new AntipodeError('ERR_REQUEST_MALFORMED', message, { path });
}

function numberOf(text: string, option: string, least: number, most: number, whole: boolean): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
    const kind = whole ? 'a whole number' : 'a number';
    throw wrong(`${option} must be ${kind} from ${least} to ${most}, not "${text}"`, option);
  }
  return value;
}

function baseUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw wrong(`--url must be an http or https URL, not "${text}"`, '--url');
  }
  return url.href;
}

function seatOf(room: string | undefined, name: string | undefined): NonNullable<CallOptions['seat']> | null {
  if (room === undefined && name === undefined) return null;
  if (room === undefined) throw wrong('--as needs a --room to be known by', '--room');
  if (name === undefined) throw wrong('--room needs a name: --as NAME', '--as');
  if (!/^[\w.:-]{1,128}$/.test(room)) {
    throw wrong(`--room must be of letters, digits, ".", ":", "_" and "-", not "${room}"`, '--room');
  }
  if (!/^\P{Cc}{1,64}$/u.test(name)) throw wrong('--as must be 1 to 64 characters, without control characters', '--as');
  return { room, name };
}

function files(values: readonly string[]): string[] {
  const paths = values.flatMap((value) => value.split(',')).map((path) => path.trim());
  if (paths.length === 0) throw wrong('--say FILE is missing: a call needs something to say', '--say');
  if (paths.includes('')) throw wrong('--say holds an empty file name', '--say');
  return paths;
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: false,
      options: {
        url: { type: 'string' },
        agent: { type: 'string', default: 'front-desk' },
        say: { type: 'string', multiple: true, default: [] },
        'interrupt-with': { type: 'string' },
        record: { type: 'string' },
        room: { type: 'string' },
        as: { type: 'string' },
        stay: { type: 'string', default: '0' },
        calls: { type: 'string', default: '1' },
        ramp: { type: 'string', default: '0' },
        'api-key': { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new AntipodeError('ERR_REQUEST_MALFORMED', message, { cause });
  }
}

/**
 * @param argv what follows `antipode call`
 * @throws AntipodeError ERR_REQUEST_MALFORMED in words; `path` is the option
 */
export function parseCallArguments(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): CallArguments {
  const values = parse(argv);
  if (values.help) return { help: true };
  if (!/^[\w.-]{1,64}$/.test(values.agent)) {
    throw wrong(`--agent must be a name of letters, digits, ".", "_" and "-", not "${values.agent}"`, '--agent');
  }
  const seat = seatOf(values.room, values.as);
  const staySeconds = numberOf(values.stay, '--stay', 0, MAX_STAY_SECONDS, false);
  const mayBeSilent = seat !== null && staySeconds > 0 && values.say.length === 0;
  return {
    help: false,
    json: values.json,
    options: {
      url: baseUrl(values.url ?? `http://localhost:${environment.PORT || 8080}`),
      agent: values.agent,
      say: mayBeSilent ? [] : files(values.say),
      ...(seat && { seat }),
      ...(staySeconds > 0 && { staySeconds }),
      interruptWith: values['interrupt-with'] ?? null,
      record: values.record ?? null,
      calls: numberOf(values.calls, '--calls', 1, MAX_CALLS, true),
      rampSeconds: numberOf(values.ramp, '--ramp', 0, MAX_RAMP_SECONDS, false),
      apiKey: (values['api-key'] ?? environment.ANTIPODE_API_KEY) || null,
    },
  };
}
