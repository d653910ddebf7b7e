import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { loadCatalogue } from '../src/agent/services/catalogue/index.ts';
import { configSchema } from '../src/config/index.ts';
import { type ListedService, listServices, printServices, printUsed } from '../src/services-command.ts';

const SECRET = 'key-that-nobody-may-see';
const catalogue = loadCatalogue();
const config = configSchema.parse({}).services;
const allKeys = Object.fromEntries(
  listServices(catalogue, { config, environment: {} }).flatMap(({ missing, urlVariable }) =>
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
    const services = listServices(catalogue, { config, environment: { MISTRAL_API_KEY: SECRET }, kind: 'llm' });
    expect(services.find(({ id }) => id === 'mistral')).toMatchObject({
      kind: 'llm',
      verified: true,
      regions: [
        { region: 'global', residency: 'none' },
        { region: 'eu', residency: 'pinned' },
      ],
      spoken: true,
      used: null,
      keys: ['MISTRAL_API_KEY'],
      state: 'configured',
      missing: [],
    });
    const lines = print(services).split('\n');
    expect(lines.find((line) => line.startsWith('mistral '))).toMatch(
      /^mistral +configured +MISTRAL_API_KEY +global \(none\), eu \(pinned\)$/,
    );
    expect(lines.find((line) => line.startsWith('groq '))).toMatch(/^groq +- +GROQ_API_KEY +global \(none\)$/);
    expect(lines.find((line) => line.startsWith('bedrock '))).toMatch(/ from memory$/);
    expect(lines.find((line) => line.startsWith('ollama '))).toMatch(
      /^ollama +no key needed +\(OLLAMA_BASE_URL\) +local/,
    );
  });

  test('tells of which services there is no adapter', () => {
    const lines = print(listServices(catalogue, { config, environment: {}, kind: 'stt' })).split('\n');
    expect(lines.find((line) => line.startsWith('google '))).toMatch(/^google +no adapter +GOOGLE/);
    expect(lines.find((line) => line.startsWith('deepgram '))).toMatch(/^deepgram +- +DEEPGRAM/);
  });

  test('shows what is used, in its order, and what is not set of it', () => {
    const { services } = configSchema.parse({
      services: {
        stt: ['deepgram/nova-3@eu', 'openai-transcriptions'],
        llm: ['mistral/mistral-small-latest@eu', 'groq'],
        tts: ['cartesia#a-voice', 'flite'],
        openai: { apiKey: SECRET },
      },
    });
    const options = { config: services, environment: { MISTRAL_API_KEY: SECRET, CARTESIA_API_KEY: SECRET } };
    let text = '';
    printUsed(catalogue, options, { write: (part) => (text += part) });
    expect(text).toBe(
      [
        'stt  deepgram/nova-3@eu (set DEEPGRAM_API_KEY), then openai-transcriptions/gpt-4o-mini-transcribe',
        'llm  mistral/mistral-small-latest@eu, then groq (set GROQ_API_KEY)',
        'tts  cartesia, then flite',
        's2s  openai',
        '',
        '',
      ].join('\n'),
    );
    const used = listServices(catalogue, options).flatMap(({ kind, id, used: place }) =>
      place ? [[kind, id, place]] : [],
    );
    expect(used).toEqual([
      ['llm', 'groq', 2],
      ['llm', 'mistral', 1],
      ['stt', 'deepgram', 1],
      ['stt', 'openai-transcriptions', 2],
      ['tts', 'cartesia', 1],
      ['s2s', 'openai', 1],
    ]);
  });

  test('lists one kind or all of them', () => {
    const kinds = (kind?: string) =>
      new Set(listServices(catalogue, { config, environment: {}, kind }).map((each) => each.kind));
    expect(kinds('tts')).toEqual(new Set(['tts']));
    expect(kinds()).toEqual(new Set(['llm', 'stt', 'tts', 's2s']));
    expect(() => kinds('video')).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST_MALFORMED', message: '--kind must be one of llm, stt, tts, s2s.' }),
    );
  });

  test('shows no value of any variable, in words or in JSON', () => {
    const openai = { ...config.openai, apiKey: SECRET };
    const services = listServices(catalogue, { config: { ...config, openai }, environment: allKeys });
    expect(services.filter(({ state }) => state !== 'configured')).toEqual([]);
    expect(print(services)).not.toContain(SECRET);
    expect(JSON.stringify(services)).not.toContain(SECRET);
  });

  test('runs from the command line', async () => {
    const main = join(import.meta.dirname, '../src/main.ts');
    const run = (...args: string[]) =>
      promisify(execFile)(process.execPath, [main, 'services', ...args], {
        env: { PATH: process.env.PATH, GROQ_API_KEY: SECRET },
        cwd: tmpdir(),
      });
    expect((await run()).stdout).toMatch(/^stt {2}none: /);
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
