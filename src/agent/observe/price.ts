/**
 * What one request to an AI service costs, by the catalogue's prices. Never guesses: a request without a price or
 * without a count is told as unpriced, with the part that is known. Sums and where they are shown are others' work.
 */
import type { Catalogue } from '../services/catalogue/index.ts';
import type { ServiceKind, ServiceRun, ServiceUsage } from './observation.ts';

export type RunPrice =
  /** A program of this node: nobody sends a bill for it. */
  | { readonly type: 'free' }
  | { readonly type: 'priced'; readonly usd: number }
  /** Costs more than `usd`, the part that is known. */
  | { readonly type: 'unpriced'; readonly why: UnpricedReason; readonly usd: number };

export type UnpricedReason =
  /** The catalogue has none for this service and model. */
  | 'no price'
  /** The service did not tell how much it did, as after an abort. */
  | 'no count'
  /** It counted what the catalogue has no price for, such as the text of a speech-to-speech service. */
  | 'price for a part only';

export type PriceRun = (run: ServiceRun) => RunPrice;

/** Programs that run on the core itself, should their region be unknown. */
const LOCAL_PROGRAMS: ReadonlySet<string> = new Set(['flite', 'pocketsphinx']);
/** The catalogue's name for the model of a service that a price page names without one. */
const DEFAULT_MODEL = 'default';
const MILLION = 1_000_000;

/**
 * Prices by this catalogue, US dollars. Tokens that a service took from its cache are priced as any others: the
 * catalogue has no price for them, so the sum is then an upper end.
 */
export function priceBy(catalogue: Catalogue): PriceRun {
  return (run) => {
    if (run.region === 'local' || LOCAL_PROGRAMS.has(run.service)) return { type: 'free' };
    const priced = pricesOf(catalogue, run.kind, run.service, run.model);
    if (priced === null) return { type: 'unpriced', why: 'no price', usd: 0 };
    const usd = priced(run.usage);
    if (usd !== null) return usd;
    // It was refused before anything was done: there is no bill for that.
    if (run.outcome !== 'ok' && run.outcome !== 'aborted' && run.firstAtMs === null) return { type: 'priced', usd: 0 };
    return { type: 'unpriced', why: 'no count', usd: 0 };
  };
}

/** Null: the usage lacks what the price is for. */
type PriceUsage = (usage: ServiceUsage) => RunPrice | null;

function pricesOf(catalogue: Catalogue, kind: ServiceKind, service: string, model: string | null): PriceUsage | null {
  switch (kind) {
    case 'llm': {
      const price = modelOf(catalogue.get('llm', service)?.models, model)?.price;
      if (!price) return null;
      return ({ inputTokens, outputTokens }) => {
        if (inputTokens === undefined || outputTokens === undefined) return null;
        return sum(inputTokens * price.inputPerMillion + outputTokens * price.outputPerMillion);
      };
    }
    case 'stt': {
      const price = modelOf(catalogue.get('stt', service)?.models, model)?.price;
      if (!price) return null;
      return ({ audioInSeconds }) =>
        audioInSeconds === undefined ? null : { type: 'priced', usd: (audioInSeconds / 60) * price.perMinute };
    }
    case 'tts': {
      const price = modelOf(catalogue.get('tts', service)?.models, model)?.price;
      if (!price) return null;
      return ({ characters }) => (characters === undefined ? null : sum(characters * price.perMillionCharacters));
    }
    case 's2s': {
      const price = modelOf(catalogue.get('s2s', service)?.models, model)?.price;
      if (!price) return null;
      return ({ inputTokens, outputTokens, audioInputTokens, audioOutputTokens }) => {
        if (audioInputTokens === undefined || audioOutputTokens === undefined) return null;
        const usd =
          (audioInputTokens * price.audioInputPerMillion + audioOutputTokens * price.audioOutputPerMillion) / MILLION;
        const textTokens = (inputTokens ?? 0) - audioInputTokens + (outputTokens ?? 0) - audioOutputTokens;
        return textTokens > 0 ? { type: 'unpriced', why: 'price for a part only', usd } : { type: 'priced', usd };
      };
    }
  }
}

function sum(perMillion: number): RunPrice {
  return { type: 'priced', usd: perMillion / MILLION };
}

function modelOf<Model extends { id: string }>(
  models: readonly Model[] | undefined,
  id: string | null,
): Model | undefined {
  return models?.find((model) => model.id === id) ?? models?.find((model) => model.id === DEFAULT_MODEL);
}
