/**
 * Speech to text by Amazon Transcribe's WebSocket: a signed address, and messages in Amazon's event stream encoding,
 * both ways. By docs.aws.amazon.com/transcribe (latest/dg/streaming-setting-up, APIReference/API_streaming_
 * TranscriptEvent) and what Pipecat sends (services/aws), read in November 2026; tested against a fake that speaks it
 * and checks the signature by itself.
 *
 * There is no asking for words: an utterance that we cut is ended by an empty piece of sound, which ends the stream, and
 * the stream of the next one is opened at once.
 */
import { EventStreamCodec } from '@smithy/eventstream-codec';
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { type AwsAccount, AwsSignature } from '../aws-signature.ts';
import { quotable, refusal } from '../refusal.ts';
import type { SocketAddress } from '../service-socket.ts';
import type { DialectLink, DialectSession, DialectWord, SttDialect } from './dialect.ts';
import { TurnDetectingPooledStt } from './pooled-stt.ts';

export interface AwsTranscribeOptions {
  account: AwsAccount;
  /** What requests are signed for, such as `eu-central-1`. */
  region: string;
  /** Of the region, with its port. */
  baseUrl?: string;
  /** As Amazon writes it, such as `en-US`. */
  language?: string;
  clock: Clock;
  log: Logger;
  /** From the end of an utterance to its words. */
  timeoutMs?: number;
}

/** The service has one model, which is not asked for. */
export const AWS_TRANSCRIBE_DEFAULTS = { model: 'default', language: 'en-US', timeoutMs: 5_000 } as const;

const PATH = '/stream-transcription-websocket';
/** The service ends a stream that gets no sound for 15 s; a little silence keeps it. */
const KEEP_ALIVE_MS = 8_000;
const KEEP_ALIVE_SILENCE_MS = 100;
/** Of one message: 200 ms, the most that Amazon's pages advise. */
const MAX_MESSAGE_BYTES = (EAR_SAMPLE_RATE / 5) * 2;

const seconds = z.number().min(0);
const messageSchema = z.object({ kind: z.enum(['event', 'exception']), name: z.string(), body: z.unknown() });
const transcriptSchema = z.object({
  Transcript: z.object({
    Results: z
      .array(
        z.object({
          IsPartial: z.boolean(),
          EndTime: seconds,
          Alternatives: z
            .array(
              z.object({
                Transcript: z.string().max(65_536),
                Items: z
                  .array(
                    z.object({
                      Type: z.string(),
                      Content: z.string().max(512),
                      StartTime: seconds,
                      EndTime: seconds,
                      Confidence: z.number().nullish(),
                    }),
                  )
                  .max(8_192)
                  .nullish(),
              }),
            )
            .max(16),
        }),
      )
      .max(64),
  }),
});
type Result = z.infer<typeof transcriptSchema>['Transcript']['Results'][number];
const exceptionSchema = z.object({ Message: z.string().max(4_096).nullish() });
const STATUS_OF: Readonly<Record<string, number>> = {
  BadRequestException: 400,
  UnrecognizedClientException: 401,
  LimitExceededException: 429,
  ConflictException: 409,
  InternalFailureException: 500,
  ServiceUnavailableException: 503,
};

type Settings = Required<Omit<AwsTranscribeOptions, 'log'>>;

export class AwsTranscribe extends TurnDetectingPooledStt {
  /** @throws ERR_SERVICE_UNAVAILABLE when a part of the key is missing */
  constructor(options: AwsTranscribeOptions) {
    const { region, account } = options;
    if (account.accessKeyId === '' || account.secretAccessKey === '') {
      const message = 'Amazon Transcribe needs a key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.';
      throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', message);
    }
    const baseUrl = `wss://transcribestreaming.${region}.amazonaws.com:8443`;
    const settings = { ...AWS_TRANSCRIBE_DEFAULTS, baseUrl, ...options };
    const signature = new AwsSignature({ account, region, service: 'transcribe', clock: options.clock });
    super({
      ...settings,
      name: 'aws',
      dialect: dialectOf(settings, signature, false),
      turnDialect: dialectOf(settings, signature, true),
    });
  }
}

function dialectOf(settings: Settings, signature: AwsSignature, detectsTurns: boolean): SttDialect {
  const codec = new EventStreamCodec(
    (bytes) => Buffer.from(bytes as Uint8Array).toString(),
    (words) => Buffer.from(words),
  );
  return {
    service: 'Amazon Transcribe',
    keepAliveMs: KEEP_ALIVE_MS,
    address: () => () => addressOf(settings, signature),
    readBinary: (bytes) => read(codec, bytes),
    session: (link) => new TranscribeSession(link, codec, settings.account.secretAccessKey, detectsTurns),
  };
}

async function addressOf({ baseUrl, language }: Settings, signature: AwsSignature): Promise<SocketAddress> {
  const url = new URL(`${baseUrl}${PATH}`);
  const query = { 'language-code': language, 'media-encoding': 'pcm', 'sample-rate': String(EAR_SAMPLE_RATE) };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return { url: await signature.address(url), headers: {} };
}

/** @throws when a check sum is wrong, or the payload is no JSON */
function read(codec: EventStreamCodec, bytes: Buffer): z.input<typeof messageSchema> {
  const { headers, body } = codec.decode(bytes);
  const kind = headers[':message-type']?.value === 'event' ? 'event' : 'exception';
  const name = headers[kind === 'event' ? ':event-type' : ':exception-type']?.value;
  return { kind, name: String(name ?? ''), body: JSON.parse(Buffer.from(body).toString()) };
}

class TranscribeSession implements DialectSession {
  readonly #link: DialectLink;
  readonly #codec: EventStreamCodec;
  readonly #secret: string;
  readonly #detectsTurns: boolean;
  #finalizing = false;

  constructor(link: DialectLink, codec: EventStreamCodec, secret: string, detectsTurns: boolean) {
    this.#link = link;
    this.#codec = codec;
    this.#secret = secret;
    this.#detectsTurns = detectsTurns;
  }

  opened(): void {
    // All that it needs to know is in the address.
    this.#link.ready();
  }

  audio(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += MAX_MESSAGE_BYTES) this.#send(bytes.subarray(at, at + MAX_MESSAGE_BYTES));
  }

  finalize(): void {
    this.#finalizing = true;
    this.goodbye();
  }

  keepAlive(): void {
    this.#link.sendSilence(KEEP_ALIVE_SILENCE_MS);
  }

  goodbye(): void {
    this.#send(Buffer.alloc(0));
  }

  message(value: unknown): void {
    const { kind, name, body } = messageSchema.parse(value);
    if (kind === 'exception') {
      const words = quotable(exceptionSchema.parse(body).Message ?? name, this.#secret);
      this.#link.fail(refusal('Amazon Transcribe', STATUS_OF[name] ?? 400, { words }));
    } else if (name === 'TranscriptEvent') {
      for (const result of transcriptSchema.parse(body).Transcript.Results) this.#heard(result);
    }
  }

  /** The end of the stream is all that tells that there are no more words. */
  closed(): boolean {
    if (!this.#finalizing) return false;
    this.#finalizing = false;
    this.#link.settled(this.#link.sentSeconds);
    this.#link.turnEnd('finalize');
    this.#link.retire();
    return true;
  }

  #heard({ IsPartial: isPartial, EndTime: until, Alternatives: [best] }: Result): void {
    const said = best?.Transcript.trim() ?? '';
    if (best === undefined || said === '') return;
    const words = wordsOf(best.Items ?? []);
    if (isPartial) {
      this.#link.interim(said, words, until);
      return;
    }
    this.#link.final(said, words, until);
    if (this.#detectsTurns && !this.#finalizing) this.#link.turnEnd('service');
  }

  #send(body: Buffer): void {
    const headers = {
      ':content-type': { type: 'string', value: 'application/octet-stream' },
      ':event-type': { type: 'string', value: 'AudioEvent' },
      ':message-type': { type: 'string', value: 'event' },
    } as const;
    this.#link.sendBinary(Buffer.from(this.#codec.encode({ headers, body })));
  }
}

/** Punctuation belongs to the word before it. */
function wordsOf(items: NonNullable<NonNullable<Result['Alternatives'][number]['Items']>>): DialectWord[] {
  const words: { text: string; start: number; end: number; confidence: number | null }[] = [];
  for (const { Type, Content, StartTime: start, EndTime: end, Confidence = null } of items) {
    const last = words.at(-1);
    if (Type === 'punctuation' && last) last.text += Content;
    else if (Type === 'pronunciation') words.push({ text: Content, start, end, confidence: Confidence });
  }
  return words;
}
