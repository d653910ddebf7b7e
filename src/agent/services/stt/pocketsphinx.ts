/**
 * Speech to text by the Debian program `pocketsphinx_continuous` (old 5prealpha), with a JSGF grammar. One process an
 * utterance, started when the caller starts to speak and fed as the caller speaks, so that the model is loaded and
 * most of the words are decoded when the turn ends. Owns processes and files; the grammar is its user's.
 *
 * The program opens its input by name and takes no socket, which is what Node's pipes are: `cat` in between gives it a
 * real pipe, and both end by themselves when this process dies.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { Slots } from '../slots.ts';
import type { Stt, SttListenOptions, SttUtterance, Transcription } from '../stt.ts';
import { grammarWords, pickPronunciations, type SpeechGrammar } from './jsgf.ts';
import { judge } from './pocketsphinx-result.ts';

export interface PocketSphinxOptions {
  command: string;
  /** Folder with `en-us/` (acoustic model) and `cmudict-en-us.dict`. */
  modelDir: string;
  /** Its words must be in the dictionary. */
  grammar: SpeechGrammar;
  clock: Clock;
  log: Logger;
  /** From the end of the utterance to its words. */
  timeoutMs?: number;
  /** Processes at once; a process takes about 3 % of a CPU while its caller speaks, and 7 MB. */
  maxProcesses?: number;
  /** Utterances that may wait for a process. */
  maxWaiting?: number;
  maxUtteranceMs?: number;
}

export const POCKETSPHINX_DEFAULTS = {
  timeoutMs: 5_000,
  maxProcesses: 8 * availableParallelism(),
  maxWaiting: 64,
  maxUtteranceMs: 60_000,
} as const;

interface Files {
  readonly folder: string;
  readonly grammar: string;
  readonly dictionary: string;
}

export class PocketSphinx implements Stt {
  readonly name = 'pocketsphinx';
  readonly #options: Required<PocketSphinxOptions>;
  readonly #slots: Slots;
  readonly #utterances = new Set<Utterance>();
  #files: Promise<Files> | null = null;
  #closed = false;

  constructor(options: PocketSphinxOptions) {
    this.#options = { ...POCKETSPHINX_DEFAULTS, ...options };
    this.#slots = new Slots({ slots: this.#options.maxProcesses, maxWaiting: this.#options.maxWaiting });
  }

  /**
   * Write the grammar and its dictionary into a private folder; done once, at the latest by the first utterance.
   * @throws ERR_SERVICE_UNAVAILABLE no model | ERR_SERVICE_FAILED words without a pronunciation
   */
  async prepare(): Promise<void> {
    await this.#prepared();
  }

  listen(options: SttListenOptions): SttUtterance {
    if (this.#closed) throw new AntipodeError('ERR_SHUTTING_DOWN', 'Speech to text is closed.');
    const utterance = new Utterance(this.#options, options.signal, {
      slots: this.#slots,
      files: this.#prepared(),
      closed: () => this.#utterances.delete(utterance),
    });
    this.#utterances.add(utterance);
    return utterance;
  }

  #prepared(): Promise<Files> {
    this.#files ??= writeFiles(this.#options);
    this.#files.catch(() => {
      this.#files = null; // a later utterance tries again, as after an installation
    });
    return this.#files;
  }

  /** Kill what runs, remove the folder. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    const open = [...this.#utterances];
    for (const utterance of open) utterance.close();
    await Promise.all(open.map((utterance) => utterance.gone));
    const files = await this.#files?.catch(() => null);
    this.#files = null;
    if (files) await rm(files.folder, { recursive: true, force: true });
  }
}

async function writeFiles(options: Required<PocketSphinxOptions>): Promise<Files> {
  const { jsgf } = options.grammar;
  const dictionaryFile = join(options.modelDir, 'cmudict-en-us.dict');
  const full = await readFile(dictionaryFile, 'utf8').catch((cause: unknown) => {
    throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', `No pocketsphinx model at ${options.modelDir}.`, { cause });
  });
  const pronunciations = pickPronunciations(full, grammarWords(jsgf), options.grammar.pronunciations);
  const folder = await mkdtemp(join(tmpdir(), 'antipode-stt-'));
  const files = { folder, grammar: join(folder, 'grammar.jsgf'), dictionary: join(folder, 'words.dict') };
  await writeFile(files.grammar, jsgf, { mode: 0o600 });
  await writeFile(files.dictionary, pronunciations, { mode: 0o600 });
  return files;
}

interface UtteranceContext {
  slots: Slots;
  files: Promise<Files>;
  closed(): void;
}

class Utterance implements SttUtterance {
  readonly #options: Required<PocketSphinxOptions>;
  readonly #controller = new AbortController();
  readonly #detach: () => void;
  readonly #started: Promise<RunningProgram>;
  /** Resolves when its process is gone. */
  readonly gone: Promise<void>;
  #program: RunningProgram | null = null;
  /** Audio from before the process was there. */
  #early: Buffer[] = [];
  #samples = 0;

  constructor(options: Required<PocketSphinxOptions>, signal: AbortSignal, context: UtteranceContext) {
    this.#options = options;
    const onAbort = () => this.#controller.abort(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    this.#detach = () => signal.removeEventListener('abort', onAbort);
    this.#started = this.#start(context);
    this.gone = this.#started
      .then((program) => program.done)
      .then(
        () => {},
        () => {},
      )
      .finally(() => {
        this.#detach();
        this.#early = [];
        context.closed();
      });
  }

  async #start(context: UtteranceContext): Promise<RunningProgram> {
    const { signal } = this.#controller;
    const files = await context.files;
    const release = await context.slots.acquire(signal);
    const program = startProgram({
      command: 'sh',
      arguments: ['-c', 'cat | exec "$@"', 'sh', this.#options.command, ...decoderArguments(this.#options, files)],
      clock: this.#options.clock,
      signal,
      timeoutMs: this.#options.timeoutMs,
    });
    program.done.then(release, release);
    this.#program = program;
    for (const chunk of this.#early) program.write(chunk);
    this.#early = [];
    return program;
  }

  write(pcm: Int16Array): void {
    if (this.#controller.signal.aborted) return;
    this.#samples += pcm.length;
    if (this.#samples * 1_000 > this.#options.maxUtteranceMs * EAR_SAMPLE_RATE) {
      this.#controller.abort(
        new AntipodeError(
          'ERR_SERVICE_FAILED',
          `An utterance is longer than ${this.#options.maxUtteranceMs / 1_000} s.`,
        ),
      );
      return;
    }
    const bytes = Buffer.from(Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength));
    if (this.#program === null) this.#early.push(bytes);
    else this.#program.write(bytes);
  }

  async finish(): Promise<Transcription> {
    const program = await this.#started;
    program.end();
    program.startTimeout();
    const output = await program.done;
    const verdict = judge(output.stdout.toString('utf8'), output.stderr.toString('utf8'));
    this.#options.log.debug({ transcript: verdict }, 'pocketsphinx heard');
    return { text: verdict.accepted ? verdict.text : '' };
  }

  close(): void {
    this.#controller.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The utterance was given up.'));
  }
}

function decoderArguments(options: Required<PocketSphinxOptions>, files: Files): string[] {
  return [
    ['-infile', '/dev/stdin'],
    ['-jsgf', files.grammar],
    ['-dict', files.dictionary],
    ['-hmm', join(options.modelDir, 'en-us')],
    ['-samprate', String(EAR_SAMPLE_RATE)],
    // Word by word scores in the log, for judge().
    ['-backtrace', 'yes'],
    // A dearer word keeps the decoder from filling trailing sound with an optional one.
    ['-wip', '0.2'],
    // The default prunes the way out of a sentence whose last word is drawn out.
    ['-wbeam', '1e-48'],
    // Its own cutting must not halve an utterance that pauses: 2 s of silence, in frames of 10 ms.
    ['-vad_postspeech', '200'],
  ].flat();
}
