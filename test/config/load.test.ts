import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LoadConfigOptions, loadConfig, nearest } from '../../src/config/index.ts';
import { AntipodeError } from '../../src/errors.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'antipode-config-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function load(yaml: string, options: Partial<LoadConfigOptions> = {}) {
  const file = join(dir, 'antipode.yaml');
  await writeFile(file, yaml);
  return loadConfig({ file, environment: {}, ...options });
}

async function refusal(yaml: string, options: Partial<LoadConfigOptions> = {}): Promise<AntipodeError> {
  try {
    await load(yaml, options);
  } catch (error) {
    if (error instanceof AntipodeError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('loadConfig()', () => {
  it('has a default for everything', () => {
    const config = loadConfig({ file: null, environment: {} });
    expect(config.http).toMatchObject({ host: 'localhost', port: 8_080, publicUrl: null });
    expect(config.auth.openAgents).toEqual([]);
    expect(config.limits.resumeWindowMs).toBe(30_000);
  });

  it('reads the file over the defaults, and the environment over the file', async () => {
    const yaml = 'http:\n  port: 9000\n  host: pop.lan\nauth:\n  openAgents: [echo]\n';
    const environment = { PORT: '9100', ANTIPODE_OPEN_AGENTS: 'a, b ,,c', ANTIPODE_LOG_PRETTY: '0', HOST: '' };
    const config = await load(yaml, { environment });
    expect(config.http).toMatchObject({ host: 'pop.lan', port: 9_100 });
    expect(config.auth.openAgents).toEqual(['a', 'b', 'c']);
    expect(config.log.pretty).toBe(false);
  });

  it("puts a command's defaults below the file", async () => {
    const defaults = { 'auth.openAgents': ['*'], 'http.port': 1 };
    const config = await load('http:\n  port: 9000\n', { defaults });
    expect(config.auth.openAgents).toEqual(['*']);
    expect(config.http.port).toBe(9_000);
  });

  it('can not be changed afterwards, at any depth', async () => {
    const config = await load('auth:\n  openAgents: [echo]\n');
    expect(() => {
      (config.http as { port: number }).port = 1;
    }).toThrow(TypeError);
    expect(() => config.auth.openAgents.push('more')).toThrow(TypeError);
  });

  it('refuses an unknown key with its path and the one that was likely meant', async () => {
    const error = await refusal('http:\n  prot: 9000\n');
    expect(error.code).toBe('ERR_CONFIG_INVALID');
    expect(error.message).toContain('http.prot: unknown key; did you mean "port"?');
    expect((await refusal('htpp: {}\n')).message).toContain('htpp: unknown key; did you mean "http"?');
    expect((await refusal('zzzzzzzz: 1\n')).message).toMatch(/zzzzzzzz: unknown key$/);
    const silent = 'services:\n  llm: [{service: groq, voice: x}]\n';
    expect((await refusal(silent)).message).toMatch(/services\.llm\.0\.voice: unknown key$/);
  });

  it('names every fault at once', async () => {
    const { message } = await refusal('http:\n  port: many\nlimits:\n  maxSessions: 0\nnode:\n  id: "a b"\n');
    expect(message).toMatch(/http\.port: .*expected number/);
    expect(message).toMatch(/limits\.maxSessions: .*>=1/);
    expect(message).toContain('node.id: letters, digits, dot, dash and underscore only');
  });

  it('reads when a second service is asked, and asks none unless told to', async () => {
    expect((await load('')).services.hedge).toEqual({ llm: { afterMs: null }, tts: { afterMs: null } });
    const yaml = 'services:\n  hedge: { llm: { afterMs: 400 }, tts: { afterMs: 150 } }\n';
    const environment = { ANTIPODE_LLM_HEDGE_MS: '0' };
    expect((await load(yaml, { environment })).services.hedge).toEqual({ llm: { afterMs: 0 }, tts: { afterMs: 150 } });
    const path = /services\.hedge\.llm\.afterMs: /;
    for (const words of ['soon', '-1', '1.5', '999999']) {
      expect((await refusal('', { environment: { ANTIPODE_LLM_HEDGE_MS: words } })).message).toMatch(path);
    }
    const typo = 'services:\n  hedge: { lm: { afterMs: 0 } }\n';
    expect((await refusal(typo)).message).toMatch(/services\.hedge\.lm: unknown key; did you mean "llm"\?$/);
  });

  it('reads services in short or in full, and lists of them from the environment', async () => {
    const yaml = 'services:\n  llm: [groq/openai/gpt-oss-120b@global, {service: openai, temperature: 0.2}]\n';
    const config = await load(yaml, { environment: { ANTIPODE_TTS: 'cartesia#a-voice, flite' } });
    expect(config.services.llm).toEqual([
      { service: 'groq', model: 'openai/gpt-oss-120b', region: 'global' },
      { service: 'openai', temperature: 0.2 },
    ]);
    expect(config.services.tts).toEqual([{ service: 'cartesia', voice: 'a-voice' }, { service: 'flite' }]);
    expect(config.services.stt).toEqual([]);
  });

  it.each([
    ['a service without a name', 'services:\n  stt: ["/nova-3"]\n', 'services.stt.0.service'],
    ['a time that is too short', 'services:\n  stt: [{service: deepgram, timeoutMs: 1}]\n', 'services.stt.0.timeoutMs'],
    ['a port out of range', 'http:\n  port: 70000\n', 'http.port'],
    ['a public URL that is no web address', 'http:\n  publicUrl: ftp://x\n', 'http.publicUrl'],
    ['a short API key', 'auth:\n  apiKeys: [short]\n', 'auth.apiKeys.0.key'],
    ['a short token secret', 'auth:\n  tokenSecret: short\n', 'auth.tokenSecret'],
    ['a list where a mapping belongs', 'http: [1]\n', 'http'],
    ['ports from high to low', 'backbone:\n  ports: { min: 2, max: 1 }\n', 'backbone.ports.max'],
    ['an address that is none', 'edge:\n  listenIp: localhost\n', 'edge.listenIp'],
  ])('refuses %s with its path', async (_name, yaml, path) => {
    const error = await refusal(yaml);
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', path });
    expect(error.message).toContain(`${path}: `);
  });

  it('never shows a secret that it refuses', async () => {
    expect((await refusal('auth:\n  tokenSecret: hunter2\n')).message).not.toContain('hunter2');
    expect((await refusal('', { environment: { ANTIPODE_API_KEYS: 'hunter2' } })).message).not.toContain('hunter2');
  });

  it.each([
    ['PORT', 'eighty', 'PORT must be a number, not "eighty".'],
    ['ANTIPODE_MAX_SESSIONS', '0', 'limits.maxSessions'],
    ['ANTIPODE_LOG_PRETTY', 'maybe', 'ANTIPODE_LOG_PRETTY must be true or false'],
    ['ANTIPODE_LISTEN_IP', 'here', 'edge.listenIp'],
  ])('refuses %s=%s', async (variable, value, words) => {
    expect((await refusal('', { environment: { [variable]: value } })).message).toContain(words);
  });

  it('refuses what is not YAML, holds a key twice or is no mapping', async () => {
    expect((await refusal('http: [\n')).message).toContain('is not valid YAML');
    expect((await refusal('http: {}\nhttp: {}\n')).message).toContain('is not valid YAML');
    expect((await refusal('- 1\n')).message).toContain('must hold a mapping');
  });

  it('takes an empty file for no settings', async () => {
    expect((await load('# nothing yet\n')).http.port).toBe(8_080);
  });

  it('minds a missing file only when it was named', () => {
    const file = join(dir, 'missing.yaml');
    expect(loadConfig({ file, environment: {} }).http.port).toBe(8_080);
    expect(() => loadConfig({ file, fileRequired: true, environment: {} })).toThrow(/Cannot read .*missing\.yaml/);
  });

  it('does not follow a bomb of YAML aliases', async () => {
    const levels = Array.from({ length: 12 }, (_, n) => {
      const items = n === 0 ? Array(9).fill('lol') : Array(9).fill(`*a${n - 1}`);
      return `a${n}: &a${n} [${items.join(',')}]`;
    });
    expect((await refusal(`${levels.join('\n')}\n`)).message).toContain('alias');
  });
});

describe('nearest()', () => {
  it('finds the word that was likely meant, and none when nothing is near', () => {
    expect(nearest('openAgent', ['openAgents', 'apiKeys'])).toBe('openAgents');
    expect(nearest('PORT', ['port', 'host'])).toBe('port');
    expect(nearest('colour', ['port', 'host'])).toBeNull();
  });
});
