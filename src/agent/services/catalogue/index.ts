/** Public face of the service catalogue: which AI services there are, where they stand, what they cost and take. */
export { CREATE_LLM_DEFAULTS, type CreateLlmOptions, createLlm } from './create-llm.ts';
export { Catalogue, type CatalogueFiles, loadCatalogue, type ServiceEndpoint } from './load.ts';
export {
  configurationOf,
  type Environment,
  type ResolvedService,
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
  SERVICE_KINDS,
  type ServiceKind,
  type Source,
} from './schema.ts';
