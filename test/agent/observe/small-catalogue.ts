/** A catalogue of four priced services, so that tests compute with prices that stay. */
import type { ServiceRun } from '../../../src/agent/index.ts';
import { Catalogue } from '../../../src/agent/services/catalogue/index.ts';

const file = (id: string, models: string) => `
sources: { here: { title: This test, date: 2026-11 } }
services:
  - id: ${id}
    name: A service
    dialect: none
    source: here
    keys: [SOME_KEY]
    endpoints: [{ region: eu, url: 'https://example.com', residency: pinned }]
    models:
${models}`;

export const SMALL_CATALOGUE = new Catalogue({
  llm: file(
    'openai',
    `      - { id: gpt-4o, price: { inputPerMillion: 2.5, outputPerMillion: 10, source: here } }
      - { id: unpriced }`,
  ),
  stt: file('deepgram', '      - { id: nova-3, price: { perMinute: 0.0048, source: here } }'),
  tts: file('inworld', '      - { id: default, price: { perMillionCharacters: 10, source: here } }'),
  s2s: file(
    'openai',
    '      - { id: realtime, price: { audioInputPerMillion: 32, audioOutputPerMillion: 64, source: here } }',
  ),
});

/** One request, started at 1000 and ended at 1500 unless said otherwise. */
export function runOf(run: Partial<ServiceRun> & Pick<ServiceRun, 'kind' | 'service'>): ServiceRun {
  return {
    model: null,
    region: 'eu',
    startedAtMs: 1_000,
    firstAtMs: 1_200,
    endedAtMs: 1_500,
    outcome: 'ok',
    usage: {},
    ...run,
  };
}

export const GPT = { kind: 'llm', service: 'openai', model: 'gpt-4o' } as const;
export const NOVA = { kind: 'stt', service: 'deepgram', model: 'nova-3' } as const;
export const INWORLD = { kind: 'tts', service: 'inworld', model: 'inworld-tts-1' } as const;
export const REALTIME = { kind: 's2s', service: 'openai', model: 'realtime' } as const;
export const FLITE = { kind: 'tts', service: 'flite', model: null, region: 'local' } as const;
