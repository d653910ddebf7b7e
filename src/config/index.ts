/** Public face of the configuration. */

export { type AnnouncedStores, announcedStores } from './announced-stores.ts';
export { type BackboneWay, backboneWays } from './backbone-choice.ts';
export { type LoadConfigOptions, loadConfig } from './load.ts';
export { nearest } from './nearest.ts';
export { type Config, configSchema, ENVIRONMENT } from './schema.ts';
export type { LlmChoice, S2sChoice, SttChoice, TtsChoice } from './service-choice.ts';
