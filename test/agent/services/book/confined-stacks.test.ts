import { describe, expect, test } from 'vitest';
import { ConfinedStacks, chooseServices, serviceMetrics } from '../../../../src/agent/services/book/index.ts';
import { loadCatalogue } from '../../../../src/agent/services/catalogue/index.ts';
import { loadConfig } from '../../../../src/config/index.ts';
import { createMetrics, silentLogger } from '../../../../src/telemetry/index.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const environment = { OPENAI_API_KEY: 'sk-0123456789', DEEPGRAM_API_KEY: 'dg-0123456789' };

function stacks(llm: string) {
  const { services } = loadConfig({
    file: null,
    environment: {
      OPENAI_API_KEY: environment.OPENAI_API_KEY,
      ANTIPODE_STT: 'deepgram/nova-3,deepgram/nova-3@eu',
      ANTIPODE_LLM: llm,
      ANTIPODE_TTS: 'openai,openai@eu',
    },
  });
  return new ConfinedStacks({
    chosen: chooseServices(services, loadCatalogue()),
    environment,
    flite: { missing: 'No flite.' },
    clock: new FakeClock(),
    log: silentLogger,
    metrics: serviceMetrics(createMetrics({ processMetrics: false })),
  });
}

const EU = ['deepgram@eu', 'openai@eu'];

describe('confined stacks', () => {
  test('connect to the endpoints that a session was given, each once, the first of them first', () => {
    const all = stacks('openai/gpt-4.1,openai/gpt-4.1@eu');
    const { stack } = all.acquire([...EU, 'openai@global']);
    expect(stack.addresses.map(({ id, host }) => `${id} ${host}`)).toEqual([
      'deepgram@eu api.eu.deepgram.com',
      'openai@eu eu.api.openai.com',
      'openai@global api.openai.com',
      'openai@eu eu.api.openai.com',
      'openai@global api.openai.com',
    ]);
    all.close();
  });

  test('are not made where a kind has none of them', () => {
    const all = stacks('openai/gpt-4.1');
    expect(() => all.acquire(EU)).toThrowError(/No llm service of this node may be used within the session's pin/);
    all.close();
  });

  test('are shared by the sessions that have the same, and kept for the next ones', () => {
    const all = stacks('openai/gpt-4.1@eu');
    const first = all.acquire(EU);
    const second = all.acquire(EU);
    expect(second.stack).toBe(first.stack);
    first.release();
    first.release();
    second.release();
    expect(all.acquire(EU).stack).toBe(first.stack);
    all.close();
    all.close();
  });
});
