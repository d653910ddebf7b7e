/** Public face of the service catalogue: which AI services there are, where they stand, what they cost and take. */
export { CREATE_LLM_DEFAULTS, type CreateLlmOptions, createLlm, llmModel } from './create-llm.ts';
export { type CreateS2sOptions, createS2s, s2sModel } from './create-s2s.ts';
export { CREATE_STT_DEFAULTS, type CreateSttOptions, createStt, sttModel } from './create-stt.ts';
export { CREATE_TTS_DEFAULTS, type CreateTtsOptions, createTts, ttsModel } from './create-tts.ts';
export { Catalogue, type CatalogueFiles, loadCatalogue, type ServiceEndpoint } from './load.ts';
export {
  configurationOf,
  type Environment,
  type ResolvedService,
  resolveRegion,
  resolveService,
  type ServiceConfiguration,
  type ServiceState,
} from './resolve.ts';
export {
  type CatalogueEndpoint,
  type CatalogueEntry,
  type Latency,
  type LlmEntry,
  type Residency,
  type S2sEntry,
  SERVICE_KINDS,
  type ServiceKind,
  type Source,
  type SttEntry,
  type TtsEntry,
} from './schema.ts';
export { isSpoken } from './spoken.ts';
