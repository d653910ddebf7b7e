/** What placement predicted, in words and shares: for the panel that shows it. Owns no figure. */
import type { PlacementView } from '../../../src/signaling/protocol.ts';

export type Prediction = NonNullable<PlacementView['prediction']>;

/** Parts in the order in which a turn goes through them. */
const PARTS: Readonly<Record<string, string>> = {
  endpointing: 'Noticing the end',
  callerPop: 'You to POP',
  popCore: 'POP to core',
  popCoreQuality: 'Loss and jitter on that way',
  stt: 'Speech to text',
  llm: 'Language model',
  tool: 'Tools',
  s2s: 'Speech to speech',
  tts: 'Text to speech',
};

export interface PartRow {
  readonly part: string;
  readonly name: string;
  readonly ms: number;
  /** Of the sum, 0..1. */
  readonly share: number;
  /** The address that it goes to and where the figure comes from: `openai@us, by measurement (240 requests, 12 s ago)`. */
  readonly detail: string | null;
}

/** One row a part that takes time. */
export function partRows({ parts, endpoints, sources, measured }: Prediction): PartRow[] {
  const sum = Object.values(parts).reduce((total, ms) => total + ms, 0);
  const order = Object.keys(PARTS);
  const place = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return Object.entries(parts)
    .filter(([, ms]) => ms > 0)
    .toSorted(([a], [b]) => place(a) - place(b))
    .map(([part, ms]) => ({
      part,
      name: PARTS[part] ?? part,
      ms,
      share: sum === 0 ? 0 : ms / sum,
      detail: detailOf(part, endpoints[part]?.id, sources, measured ?? {}),
    }));
}

function detailOf(
  part: string,
  endpoint: string | undefined,
  sources: Prediction['sources'],
  measured: NonNullable<Prediction['measured']>,
): string | null {
  const by = (name: string, lead: string, noun: string): string => {
    const source = sources[name];
    if (source === undefined) return '';
    const figure = measured[name];
    return `${lead} ${WORDS[source] ?? source}${figure === undefined ? '' : ` (${figureWords(figure, noun)})`}`;
  };
  const words = [
    endpoint,
    by(part, 'by', 'request'),
    by(`${part} path`, 'path by', 'ping'),
    by(`${part} k`, 'round trips by', 'turn'),
  ];
  return words.filter((word) => word !== undefined && word !== '').join(', ') || null;
}

/** `240 requests, 12 s ago`; with few of them, the share that they have beside what was known before. */
function figureWords(
  { count, ageMs, confidence = 1 }: NonNullable<Prediction['measured']>[string],
  noun: string,
): string {
  const many = count === undefined ? '' : `${count} ${noun}${count === 1 ? '' : 's'}, `;
  const share = confidence < 1 ? `, counting ${Math.round(confidence * 100)} %` : '';
  return `${many}${Math.round(ageMs / 1_000)} s ago${share}`;
}

/** Sources whose name does not say it by itself. */
const WORDS: Readonly<Record<string, string>> = {
  assumed: 'assumption',
  measured: 'measurement',
  operator: "the operator's figure",
};

/** Whether a path counts as the longest because nobody knows where one of its ends is. */
export function hasUnknownPlace({ sources }: Prediction): boolean {
  return Object.entries(sources).some(([name, source]) => /^popCore$| path$/.test(name) && source === 'assumed');
}

/** `380 ms slower`, `12 ms faster`, or why it could not be there. */
export function elsewhereWords(alternative: Prediction['alternatives'][number], chosen: Prediction): string {
  if (alternative.excluded !== null) return alternative.excluded;
  if (alternative.predictedMs === null) return 'not predicted';
  const gap = Math.round(alternative.predictedMs.p50 - chosen.predictedMs.p50);
  if (gap === 0) return 'as fast';
  return gap > 0 ? `${gap} ms slower` : `${-gap} ms faster, but dearer, fuller or less steady`;
}

/** `us or au, by the request`. */
export function pinWords({ places, from }: Prediction['pins'][number]): string {
  return `${places.join(' or ')}, by the ${from}`;
}
