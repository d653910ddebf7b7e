import { expect, test } from 'vitest';
import { BoundedLabel } from '../../src/telemetry/index.ts';

test('a bounded label keeps its first values apart and calls the rest other', () => {
  const label = new BoundedLabel(2);
  expect(['a', 'b', 'c', 'a', 'd', 'b'].map((value) => label.of(value))).toEqual([
    'a',
    'b',
    'other',
    'a',
    'other',
    'b',
  ]);
});
