import { afterEach, describe, expect, test } from 'vitest';
import { LocalServices } from '../../src/agent/agent-services.ts';
import type { ServiceRun } from '../../src/agent/index.ts';
import { findSmartTurnWeights } from '../../src/agent/turn-taking/smart-turn/weights.ts';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { hasFlite } from './speech.ts';

const hasWeights = !('missing' in (await findSmartTurnWeights()));

let services: LocalServices | null = null;
afterEach(async () => {
  await services?.close();
  services = null;
});

async function load(environment: Record<string, string> = {}, searchPath?: string): Promise<LocalServices> {
  services = await LocalServices.load({
    config: loadConfig({ file: null, environment }).services,
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
    environment,
    searchPath,
  });
  return services;
}

describe('what agents may use', () => {
  test('is the programs of the node when nothing is chosen', async () => {
    const { stack, s2s, catalogue } = await load();
    expect([stack, s2s]).toEqual([null, null]);
    expect(catalogue.get('llm', 'openai')!.name).toBe('OpenAI');
  });

  test('is said to be missing, with the remedy, where it is', async () => {
    const { flite, pocketsphinx } = await load({}, '/nowhere');
    expect(flite).toEqual({ missing: expect.stringContaining('apt-get install flite') });
    expect(pocketsphinx.call(services, { jsgf: '', pronunciations: {} })).toEqual({
      missing: expect.stringContaining('apt-get install pocketsphinx'),
    });
  });

  test('is what is chosen, by the environment that it is given', async () => {
    const environment = { ANTIPODE_STT: 'deepgram', ANTIPODE_LLM: 'ollama/any', ANTIPODE_TTS: 'kokoro#any' };
    await expect(load(environment)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID', path: 'services.stt.0' });
    const { stack } = await load({ ...environment, DEEPGRAM_API_KEY: 'k' });
    expect(stack!.legs.map(({ service }) => service)).toEqual(['deepgram', 'ollama', 'kokoro']);
  });

  test('is, within a pin, speech to speech at the address that is allowed, though others are not there at all', async () => {
    const environment = { OPENAI_API_KEY: 'sk-0123456789', ANTIPODE_S2S: 'openai,openai@eu' };
    const all = await load(environment);
    expect(all.addresses.map(({ id }) => id)).toEqual(expect.arrayContaining(['openai@global', 'openai@eu']));
    const within = all.within(['openai@eu']);
    expect(within.addresses.map(({ id, host }) => `${id} ${host}`)).toEqual(['openai@eu eu.api.openai.com']);
    expect(within.services.s2s).not.toBeNull();
    expect(within.services.s2s).not.toBe(all.s2s);
    expect(() => within.services.stack).toThrowError(/No stt service of this node may be used within/);
    within.release();
    expect(all.within(['openai@au']).services.s2s).toBeNull();
  });

  test.skipIf(!hasFlite)('tells what the local voice took', async () => {
    const { flite } = await load();
    if ('missing' in flite) throw new Error(flite.missing);
    const runs: ServiceRun[] = [];
    const watch = { ran: (run: ServiceRun) => runs.push(run), failedOver: () => {} };
    let samples = 0;
    for await (const { pcm } of flite.synthesize('Good evening.', { signal: AbortSignal.timeout(5_000), watch })) {
      samples += pcm.length;
    }
    expect(runs).toMatchObject([{ kind: 'tts', service: 'flite', model: null, region: 'local', outcome: 'ok' }]);
    expect(runs[0]!.usage).toEqual({ characters: 13, audioOutSeconds: samples / 16_000 });
  });

  test.skipIf(!hasWeights)('has the model of turns soon after the start', async () => {
    const loaded = await load();
    await loaded.loaded;
    expect(await loaded.smartTurn!.probability(new Int16Array(16_000))).toBeGreaterThanOrEqual(0);
  });

  test('can be closed while the model of turns is loading, and twice', async () => {
    const loading = await load();
    await Promise.all([loading.close(), loading.close()]);
    await loading.loaded;
    expect(loading.smartTurn === null || !hasWeights).toBe(true);
  });
});
