/**
 * Amazon Transcribe's WebSocket on loopback: it checks signed addresses by the four steps of Signature Version 4 as
 * Amazon writes them down, and speaks the event stream encoding. After docs.aws.amazon.com; not recorded from the service.
 */
import { createHash, createHmac } from 'node:crypto';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import type { HeardTone } from './tone-words.ts';
import { joined, secondsOf, startWordsFake, WordsDialog, type WordsFake } from './words-dialog.ts';

export const FAKE_AWS_REGION = 'eu-central-1';
export const FAKE_AWS_KEY_ID = 'AKIAFAKE';
const SECRET = 'aws/fake+secret';
const TURN_SECONDS = 0.5;

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString(),
  (words) => Buffer.from(words),
);

export function startFakeTranscribe(): Promise<WordsFake> {
  return startWordsFake(
    SECRET,
    { authorization: null, deniesWith: 403, allows: (url, { host }) => isSigned(url, host ?? '') },
    { '/stream-transcription-websocket': (peer, fake) => new TranscribeDialog(peer, fake) },
  );
}

/** A message as Amazon encodes it. */
export function eventFrame(type: string, json: unknown): Buffer {
  const text = (value: string) => ({ type: 'string', value }) as const;
  const headers = {
    ':message-type': text('event'),
    ':event-type': text(type),
    ':content-type': text('application/json'),
  };
  return Buffer.from(codec.encode({ headers, body: Buffer.from(JSON.stringify(json)) }));
}

function isSigned(url: URL, host: string): boolean {
  const given = url.searchParams.get('X-Amz-Signature');
  const date = url.searchParams.get('X-Amz-Date') ?? '';
  const scope = `${date.slice(0, 8)}/${FAKE_AWS_REGION}/transcribe/aws4_request`;
  if (url.searchParams.get('X-Amz-Credential') !== `${FAKE_AWS_KEY_ID}/${scope}`) return false;
  const written = (value: string) =>
    encodeURIComponent(value).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${written(name)}=${written(value)}`)
    .sort()
    .join('&');
  const request = ['GET', url.pathname, query, `host:${host}\n`, 'host', sha256('')].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(request)].join('\n');
  const key = scope.split('/').reduce<string | Buffer>((before, part) => hmac(before, part), `AWS4${SECRET}`);
  return hmac(key, toSign).toString('hex') === given;
}

function sha256(words: string): string {
  return createHash('sha256').update(words).digest('hex');
}

function hmac(key: string | Buffer, words: string): Buffer {
  return createHmac('sha256', key).update(words).digest();
}

class TranscribeDialog extends WordsDialog {
  override message(data: Buffer, isBinary: boolean): void {
    if (!isBinary) return;
    const { headers, body } = codec.decode(data);
    if (headers[':event-type']?.value !== 'AudioEvent') return;
    if (body.length > 0) {
      this.hear(Buffer.from(body));
      return;
    }
    this.fake.controls.push('end');
    const words = this.takeWords();
    if (words.length > 0) this.turnEnded(words);
    this.peer.close(1000);
  }

  protected override get endpointingSeconds(): number {
    return TURN_SECONDS;
  }

  protected control(): string {
    return '';
  }

  protected interim(words: readonly HeardTone[]): void {
    this.peer.send(transcript(words, true));
  }

  protected turnEnded(words: readonly HeardTone[]): void {
    this.peer.answer(transcript(words, false));
  }
}

function transcript(words: readonly HeardTone[], IsPartial: boolean): Buffer {
  const Items = words.map(({ text, start, end }) => ({
    ...{ Type: 'pronunciation', Content: text, StartTime: secondsOf(start), EndTime: secondsOf(end), Confidence: 0.9 },
  }));
  const [StartTime, EndTime] = [Items[0]?.StartTime ?? 0, Items.at(-1)?.EndTime ?? 0];
  const Alternatives = [{ Transcript: joined(words), Items }];
  return eventFrame('TranscriptEvent', {
    Transcript: { Results: [{ ResultId: 'r', StartTime, EndTime, IsPartial, Alternatives }] },
  });
}
