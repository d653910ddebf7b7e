import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { configSchema, ENVIRONMENT } from '../../src/config/index.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/configure.md'), 'utf8');

test('docs/configure.md names every environment variable and no other', () => {
  const named = [...page.matchAll(/`((?:ANTIPODE|OPENAI|OTEL)_[A-Z0-9_]+|PORT|HOST)`/g)].map((match) => match[1]);
  expect(new Set(named)).toEqual(new Set(Object.keys(ENVIRONMENT)));
});

test('the example in docs/configure.md is a valid configuration, at the defaults that it shows', () => {
  const example = parse(/```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '');
  expect(configSchema.parse(example)).toEqual(configSchema.parse({}));
});
