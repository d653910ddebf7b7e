import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PATH_SOURCES } from '../../src/placement/paths.ts';
import { placementMetrics } from '../../src/placement/placement-metrics.ts';
import { readWorldDocument, worldDocumentSchema } from '../../src/placement/world-document.ts';
import { createMetrics } from '../../src/telemetry/index.ts';

const page = readFileSync(new URL('../../docs/placement.md', import.meta.url), 'utf8');

test('docs/placement.md names every metric of placement and no other', async () => {
  const registry = createMetrics({ processMetrics: false });
  placementMetrics(registry);
  const names = registry.getMetricsAsArray().map(({ name }) => name);
  const told = new Set(page.match(/antipode_placement_[a-z_]+/g));
  expect([...told].sort()).toEqual(names.sort());
});

test('docs/placement.md names every source of a path and every key of a world', () => {
  for (const source of PATH_SOURCES) expect(page).toContain(`| \`${source}\` |`);
  for (const key of Object.keys(worldDocumentSchema.shape)) {
    if (key !== 'at') expect(page).toContain(`| \`${key}\` |`);
  }
});

test('the example world reads well', () => {
  const text = readFileSync(new URL('../../docs/world.example.yaml', import.meta.url), 'utf8');
  expect(Object.keys(readWorldDocument(text).agents)).toEqual(['tool-desk', 'open-desk']);
});
