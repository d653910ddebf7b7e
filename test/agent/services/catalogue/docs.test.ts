import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { Catalogue, loadCatalogue } from '../../../../src/agent/services/catalogue/index.ts';
import { ERROR_CODES } from '../../../../src/errors.ts';

const root = join(import.meta.dirname, '../../../..');
const page = readFileSync(join(root, 'docs/services.md'), 'utf8');
const shipped = (kind: string) => readFileSync(join(root, `src/agent/services/catalogue/${kind}.yaml`), 'utf8');

test('the entry that docs/services.md shows can be added to llm.yaml', () => {
  const entry = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const llm = `${shipped('llm')}\n${entry}`;
  const catalogue = new Catalogue({ llm, stt: shipped('stt'), tts: shipped('tts'), s2s: shipped('s2s') });
  expect(catalogue.get('llm', 'example')).toMatchObject(parse(entry)[0]);
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
