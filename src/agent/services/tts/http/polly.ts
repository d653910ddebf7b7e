/**
 * Amazon Polly by `SynthesizeSpeech`, signed by a key of the account. The model is the engine. Written from memory of
 * the vendor's documentation (docs.aws.amazon.com), which was not read for it: check it before you rely on it. Tested
 * against a fake that speaks it so.
 */
import { type AwsAccount, AwsSignature } from '../../aws-signature.ts';
import { HttpVoice, type HttpVoiceOptions } from './http-voice.ts';

export interface PollyOptions extends HttpVoiceOptions {
  readonly account: AwsAccount;
  /** Where it is asked, such as `eu-central-1`. */
  readonly region: string;
}

/** The service's highest for PCM. */
const SAMPLE_RATE = 16_000;

export function polly(options: PollyOptions): HttpVoice {
  const { voice, model, language, account, region, clock } = options;
  const signature = new AwsSignature({ account, service: 'polly', region, clock });
  return new HttpVoice(
    { ...options, apiKey: account.secretAccessKey },
    {
      maxCharacters: 3_000,
      headers: (outgoing) => signature.headers(outgoing),
      question: (text) => ({
        path: '/v1/speech',
        body: {
          Text: text,
          TextType: 'text',
          VoiceId: voice,
          Engine: model,
          OutputFormat: 'pcm',
          SampleRate: String(SAMPLE_RATE),
          ...(language !== undefined && { LanguageCode: language }),
        },
      }),
      sound: { form: 'pcm', sampleRate: SAMPLE_RATE },
      answer: { packed: false },
    },
  );
}
