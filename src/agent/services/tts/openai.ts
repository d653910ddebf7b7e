/** Text to speech of OpenAI itself, or of the server that `services.openai.baseUrl` names, by the configuration. */
import { type OpenAiOptions, openAiItself } from '../openai-request.ts';
import { OpenAiCompatibleTts } from './openai-compatible.ts';

export class OpenAiTts extends OpenAiCompatibleTts {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: OpenAiOptions) {
    super({ ...openAiItself(options), model: options.settings.ttsModel, voice: options.settings.ttsVoice });
  }
}
