/** Language model of OpenAI itself, or of the server that `services.openai.baseUrl` names, by the configuration. */
import { AntipodeError } from '../../../errors.ts';
import type { OpenAiOptions } from '../openai-request.ts';
import { OpenAiCompatibleLlm } from './openai-compatible.ts';

export class OpenAiLlm extends OpenAiCompatibleLlm {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor({ settings, clock }: OpenAiOptions) {
    if (settings.apiKey === null) {
      throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'OpenAI needs a key: set OPENAI_API_KEY.');
    }
    super({
      name: 'openai',
      label: 'OpenAI',
      baseUrl: settings.baseUrl,
      apiKey: settings.apiKey,
      model: settings.llmModel,
      clock,
      timeoutMs: settings.timeoutMs,
      followRedirects: true,
    });
  }
}
