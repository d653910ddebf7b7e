import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { loadCatalogue } from '../src/agent/services/catalogue/index.ts';
import { type ListedService, listServices, printServices } from '../src/services-command.ts';

const SECRET = 'key-that-nobody-may-see';
const catalogue = loadCatalogue();
const allKeys = Object.fromEntries(
  listServices(catalogue, { environment: {} }).flatMap(({ missing, urlVariable }) =>
    [...missing, ...(urlVariable ? [urlVariable] : [])].map((name) => [name, `https://${SECRET}`]),
  ),
);

function print(services: readonly ListedService[]): string {
  let text = '';
  printServices(services, {
    write(part) {
      text += part;
    },
  });
  return text;
}

describe('antipode services', () => {
  test('lists each service with its regions, residency, key and state', () => {
    const services = listServices(catalogue, { environment: { MISTRAL_API_KEY: SECRET }, kind: 'llm' });
    expect(services.find(({ id }) => id === 'mistral')).toMatchObject({
      kind: 'llm',
      verified: true,
      regions: [
        { region: 'global', residency: 'none' },
        { region: 'eu', residency: 'pinned' },
      ],
      keys: ['MISTRAL_API_KEY'],
      state: 'configured',
      missing: [],
    });
    const lines = print(services).split('\n');
    expect(lines.find((line) => line.startsWith('mistral '))).toMatch(
      /^mistral +configured +MISTRAL_API_KEY +global \(none\), eu \(pinned\)$/,
    );
    expect(lines.find((line) => line.startsWith('groq '))).toMatch(/^groq +- +GROQ_API_KEY +global \(none\)$/);
    expect(lines.find((line) => line.startsWith('gemini '))).toMatch(/ from memory$/);
    expect(lines.find((line) => line.startsWith('ollama '))).toMatch(
      /^ollama +no key needed +\(OLLAMA_BASE_URL\) +local/,
    );
  });

  test('lists one kind or all of them', () => {
    const kinds = (kind?: string) =>
      new Set(listServices(catalogue, { environment: {}, kind }).map((each) => each.kind));
    expect(kinds('tts')).toEqual(new Set(['tts']));
    expect(kinds()).toEqual(new Set(['llm', 'stt', 'tts', 's2s']));
    expect(() => kinds('video')).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST_MALFORMED', message: '--kind must be one of llm, stt, tts, s2s.' }),
    );
  });

  test('shows no value of any variable, in words or in JSON', () => {
    const services = listServices(catalogue, { environment: allKeys });
    expect(services.filter(({ state }) => state !== 'configured')).toEqual([]);
    expect(print(services)).not.toContain(SECRET);
    expect(JSON.stringify(services)).not.toContain(SECRET);
  });

  test('runs from the command line', async () => {
    const main = join(import.meta.dirname, '../src/main.ts');
    const run = (...args: string[]) =>
      promisify(execFile)(process.execPath, [main, 'services', ...args], {
        env: { PATH: process.env.PATH, GROQ_API_KEY: SECRET },
      });
    const { stdout } = await run('--json', '--kind', 'llm');
    const services = JSON.parse(stdout) as ListedService[];
    expect(services.filter(({ state }) => state === 'configured').map(({ id }) => id)).toEqual(['groq']);
    expect(stdout).not.toContain(SECRET);
    await expect(run('--kind', 'video')).rejects.toMatchObject({
      code: 1,
      stderr: 'ERR_REQUEST_MALFORMED: --kind must be one of llm, stt, tts, s2s.\n',
    });
  });
});
