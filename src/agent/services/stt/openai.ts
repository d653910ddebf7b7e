/** Speech to text of OpenAI itself, or of the server that `services.openai.baseUrl` names, by the configuration. */
import { type OpenAiOptions, openAiItself } from '../openai-request.ts';
import { OpenAiCompatibleStt } from './openai-compatible.ts';

export class OpenAiStt extends OpenAiCompatibleStt {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: OpenAiOptions) {
    super({ ...openAiItself(options), model: options.settings.sttModel });
  }
}
