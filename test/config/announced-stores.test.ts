import { expect, test } from 'vitest';
import { announcedStores, configSchema } from '../../src/config/index.ts';

const stores = (change: object) => announcedStores(configSchema.parse({ node: { region: 'eu-west-1' }, ...change }));

test('a node that nobody configured keeps everything in its own region, and traces nowhere', () => {
  expect(stores({})).toEqual({});
});

test('what is configured is announced', () => {
  const declared = { registry: 'eu-central-1', logs: 'eu-west-3', recordings: 'us-east-1' };
  expect(stores({ residency: { stores: declared } })).toEqual(declared);
});

test.each([
  ['http://localhost:4318', 'eu-west-1'],
  ['http://127.0.0.1:4318', 'eu-west-1'],
  ['http://[::1]:4318', 'eu-west-1'],
  ['https://otlp.example.com', null],
  ['https://127.0.0.1.example.com', null],
])('a collector at %s is in %s', (otlpEndpoint, traces) => {
  expect(stores({ telemetry: { otlpEndpoint } })).toEqual({ traces });
});

test('a collector elsewhere is where the configuration says; without one there is no such store', () => {
  const residency = { stores: { traces: 'eu-north-1' } };
  const telemetry = { otlpTracesEndpoint: 'https://otlp.example.com/v1/traces' };
  expect(stores({ residency, telemetry })).toEqual({ traces: 'eu-north-1' });
  expect(stores({ residency })).toEqual({});
});

test.each([
  [{ url: 'redis://localhost:6379' }, {}],
  [{ url: 'rediss://redis.example.com:6379' }, { registry: null }],
  [{ cluster: ['127.0.0.1:7000', '10.0.0.7:7001'] }, { registry: null }],
])('a Redis by %j is announced as %j, unless its region is declared', (place, announced) => {
  const registry = { kind: 'redis', ...place };
  expect(stores({ registry })).toEqual(announced);
  const residency = { stores: { registry: 'eu-central-1' } };
  expect(stores({ registry, residency })).toEqual({ registry: 'eu-central-1' });
});
