/** Of which services there is an adapter here, by kind: an entry alone is none. */
import { type Adapters, speaks } from './adapter.ts';
import { LLM_ADAPTERS } from './create-llm.ts';
import { S2S_ADAPTERS } from './create-s2s.ts';
import { STT_ADAPTERS } from './create-stt.ts';
import { TTS_ADAPTERS } from './create-tts.ts';
import type { CatalogueEntry, ServiceKind } from './schema.ts';

const ADAPTERS: Readonly<Record<ServiceKind, Adapters>> = {
  llm: LLM_ADAPTERS,
  stt: STT_ADAPTERS,
  tts: TTS_ADAPTERS,
  s2s: S2S_ADAPTERS,
};

export function isSpoken(kind: ServiceKind, entry: CatalogueEntry): boolean {
  return speaks(ADAPTERS[kind], entry);
}
