/** The language models that play callers and judge: made from the catalogue when first asked for, closed together. */
import { type Catalogue, createLlm, type Llm, loadCatalogue } from '../agent/index.ts';
import { servicesEnvironment } from '../agent/services/book/index.ts';
import type { Clock } from '../clock.ts';
import { type Config, nearest } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';

export interface LanguageModelsOptions {
  readonly config: Config;
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
}

const REFERENCE = /^(?<service>[^/@]+)(?:\/(?<model>.+?))?(?:@(?<region>[a-z0-9-]+))?$/;
/** Nobody waits for these in a call's rhythm. */
const TIMEOUT_MS = 60_000;

export class LanguageModels {
  readonly #options: LanguageModelsOptions;
  readonly #catalogue: Catalogue = loadCatalogue();
  readonly #made = new Map<string, Llm>();

  constructor(options: LanguageModelsOptions) {
    this.#options = options;
  }

  /**
   * @param reference service, service/model or service/model@region
   * @throws ERR_CONFIG_INVALID when there is none such, ERR_SERVICE_UNAVAILABLE when a key is missing
   */
  get(reference: string): Llm {
    const known = this.#made.get(reference);
    if (known) return known;
    const { service = '', model, region } = REFERENCE.exec(reference)?.groups ?? {};
    const entry = this.#catalogue.get('llm', service);
    if (!entry) {
      const hint = nearest(
        service,
        this.#catalogue.list('llm').map(({ id }) => id),
      );
      const words = `there is no language model "${service}"${hint === null ? '' : `; did you mean "${hint}"?`}`;
      throw new AntipodeError('ERR_CONFIG_INVALID', words, { path: 'service' });
    }
    const { config, environment, clock } = this.#options;
    const made = createLlm(entry, {
      ...{ environment: servicesEnvironment(config.services, environment), clock, timeoutMs: TIMEOUT_MS },
      ...(model !== undefined && { model }),
      ...(region !== undefined && { region }),
    });
    this.#made.set(reference, made);
    return made;
  }

  async close(): Promise<void> {
    for (const llm of this.#made.values()) await llm.close?.();
    this.#made.clear();
  }
}
