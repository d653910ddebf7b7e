import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import {
  CIRCUIT_BREAKER_DEFAULTS,
  chooseServices,
  FIRST_RESPONSE_DEFAULTS_MS,
} from '../../../../src/agent/services/book/index.ts';
import { Catalogue, isSpoken, loadCatalogue } from '../../../../src/agent/services/catalogue/index.ts';
import { type Config, configSchema, loadConfig } from '../../../../src/config/index.ts';
import { ERROR_CODES } from '../../../../src/errors.ts';

const root = join(import.meta.dirname, '../../../..');
const page = readFileSync(join(root, 'docs/services.md'), 'utf8');
const yamlBlocks = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);
const shipped = (kind: string) => readFileSync(join(root, `src/agent/services/catalogue/${kind}.yaml`), 'utf8');

test('the entry that docs/services.md shows can be added to llm.yaml', () => {
  const entry = yamlBlocks.find((block) => block.includes('id: example')) ?? '';
  const llm = `${shipped('llm')}\n${entry}`;
  const catalogue = new Catalogue({ llm, stt: shipped('stt'), tts: shipped('tts'), s2s: shipped('s2s') });
  expect(catalogue.get('llm', 'example')).toMatchObject(parse(entry)[0]);
});

test('what docs/services.md chooses can be chosen, in both forms, and is the same', () => {
  const inFull = parse(yamlBlocks.find((block) => block.startsWith('services:'))!);
  const inShort = Object.fromEntries(
    [...page.matchAll(/^(ANTIPODE_[A-Z]+)=(\S+)$/gm)].map(([, variable, value]) => [variable!, value!]),
  );
  const chosen = (config: Config) => {
    const services = chooseServices(config.services, loadCatalogue());
    return [services.stt, services.llm, services.tts].map((each) =>
      each.map(({ choice: { service, model, region } }) => [service, model, region]),
    );
  };
  const fromFile = chosen(configSchema.parse(inFull));
  expect(fromFile.map((each) => each.length)).toEqual([2, 2, 2]);
  const fromEnvironment = chosen(loadConfig({ file: null, environment: inShort }));
  // The file leaves the voice's model to the adapter.
  fromEnvironment[2]![0]![1] = undefined;
  expect(fromEnvironment).toEqual(fromFile);
});

test('docs/services.md tells the times and counts that are in use, and each dialect that is spoken', () => {
  for (const ms of Object.values(FIRST_RESPONSE_DEFAULTS_MS)) expect(page).toContain(`${ms} ms`);
  const { openMs, maxOpenMs, refusedOpenMs, maxFailuresInRow, rateWindow } = CIRCUIT_BREAKER_DEFAULTS;
  expect([openMs, maxOpenMs, refusedOpenMs, maxFailuresInRow, rateWindow]).toEqual([5_000, 120_000, 300_000, 3, 20]);
  const catalogue = loadCatalogue();
  for (const kind of ['llm', 'stt', 'tts', 's2s'] as const) {
    for (const entry of catalogue.list(kind)) {
      expect([entry.dialect, page.includes(`\`${entry.dialect}\``)]).toEqual([entry.dialect, isSpoken(kind, entry)]);
    }
  }
});

test('docs/services.md names services, regions and error codes that exist', () => {
  const catalogue = loadCatalogue();
  const [, id, region] = /get\('llm', '([a-z-]+)'\)[\s\S]*?region: '([a-z-]+)'/.exec(page) ?? [];
  expect(catalogue.get('llm', id!)?.endpoints.map((endpoint) => endpoint.region)).toContain(region);
  for (const local of ['ollama', 'vllm', 'llama-cpp', 'lm-studio', 'sglang']) {
    expect(page).toContain(`\`${local}\``);
    expect(catalogue.get('llm', local)?.keys).toEqual([]);
  }
  for (const code of page.match(/ERR_[A-Z_]+/g)!) expect(Object.keys(ERROR_CODES)).toContain(code);
});
