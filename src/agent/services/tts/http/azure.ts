/**
 * Azure's neural voices by the REST endpoint of a region, which streams. The voice is the vendor's whole name, such as
 * `en-US-AvaMultilingualNeural`. Written from memory of the vendor's documentation (learn.microsoft.com), which was not
 * read for it: check it before you rely on it. Tested against a fake that speaks it so.
 */
import { HttpVoice, type HttpVoiceOptions } from './http-voice.ts';

const SAMPLE_RATE = 24_000;

export function azureVoice(options: HttpVoiceOptions): HttpVoice {
  const { voice, language = voice.split('-').slice(0, 2).join('-') } = options;
  return new HttpVoice(options, {
    maxCharacters: 3_000,
    headers: () => ({
      'ocp-apim-subscription-key': options.apiKey ?? '',
      'content-type': 'application/ssml+xml',
      'x-microsoft-outputformat': 'raw-24khz-16bit-mono-pcm',
      'user-agent': 'antipode',
    }),
    question: (text) => ({ path: '', body: ssml(text, voice, language) }),
    sound: { form: 'pcm', sampleRate: SAMPLE_RATE },
    answer: { packed: false },
  });
}

function ssml(text: string, voice: string, language: string): string {
  const [name, lang, words] = [voice, language, text].map(escaped);
  return `<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="${lang}"><voice name="${name}">${words}</voice></speak>`;
}

/** Control characters cannot stand in XML at all. */
function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&apos;',
  };
  return text.replaceAll(/\p{Cc}/gu, ' ').replaceAll(/[&<>"']/g, (each) => entities[each]!);
}
