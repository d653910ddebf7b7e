import { describe, expect, it } from 'vitest';
import { ApiKeys, bearer } from '../../src/signaling/api-keys.ts';

describe('API keys', () => {
  it('are taken whole or not at all', () => {
    const keys = new ApiKeys(['first-key-0123456', 'second-key-012345']);
    expect(keys.has('first-key-0123456')).toBe(true);
    expect(keys.has('second-key-012345')).toBe(true);
    expect(keys.has('first-key-012345')).toBe(false);
    expect(keys.has('')).toBe(false);
    expect(new ApiKeys([]).has('')).toBe(false);
  });

  it('are read from a Bearer header only', () => {
    expect(bearer(undefined)).toBeNull();
    expect(bearer('Bearer abc')).toBe('abc');
    expect(bearer('bearer abc ')).toBe('abc');
    expect(bearer('Basic abc')).toBe('');
    expect(bearer('Bearer a b')).toBe('');
  });
});
