import { describe, expect, it } from 'vitest';
import { ApiKeys, bearer, type ConfiguredKey } from '../../src/signaling/api-keys.ts';

const configured = (key: string, change: Partial<ConfiguredKey> = {}): ConfiguredKey => ({
  key,
  priority: 'normal',
  sessionsPerMinute: null,
  ...change,
});

describe('API keys', () => {
  it('are taken whole or not at all', () => {
    const keys = new ApiKeys([configured('first-key-0123456'), configured('second-key-012345')]);
    expect(keys.find('first-key-0123456')).not.toBeNull();
    expect(keys.find('second-key-012345')).not.toBeNull();
    expect(keys.find('first-key-012345')).toBeNull();
    expect(keys.find('')).toBeNull();
    expect(new ApiKeys([]).find('')).toBeNull();
  });

  it('tell what their holders may, and nothing of themselves', () => {
    const keys = new ApiKeys([
      configured('first-key-0123456'),
      configured('second-key-012345', { priority: 'high', sessionsPerMinute: 9 }),
    ]);
    expect(keys.find('first-key-0123456')).toEqual({ id: 'key-1', priority: 'normal', sessionsPerMinute: null });
    expect(keys.find('second-key-012345')).toEqual({ id: 'key-2', priority: 'high', sessionsPerMinute: 9 });
  });

  it('are read from a Bearer header only', () => {
    expect(bearer(undefined)).toBeNull();
    expect(bearer('Bearer abc')).toBe('abc');
    expect(bearer('bearer abc ')).toBe('abc');
    expect(bearer('Basic abc')).toBe('');
    expect(bearer('Bearer a b')).toBe('');
  });
});
