/** Language model of OpenAI itself, or of the server that `services.openai.baseUrl` names, by the configuration. */
import { type OpenAiOptions, openAiItself } from '../openai-request.ts';
import { OpenAiCompatibleLlm } from './openai-compatible.ts';

export class OpenAiLlm extends OpenAiCompatibleLlm {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: OpenAiOptions) {
    super({ ...openAiItself(options), model: options.settings.llmModel });
  }
}
