import { expect, test } from 'vitest';
import { certificateWarnings } from '../../src/roles/node-parts.ts';

const endsAt = new Date('2026-05-01T12:00:00Z');

test('a certificate that holds is nothing to warn of; one that ends within a day or was refused is', () => {
  expect(certificateWarnings({ status: { endsAt, refused: null }, secondsLeft: 86_400 })).toEqual({});
  expect(certificateWarnings({ status: { endsAt, refused: null }, secondsLeft: 86_399 })).toEqual({
    warnings: { certificate: 'ends at 2026-05-01T12:00:00.000Z' },
  });
  expect(certificateWarnings({ status: { endsAt, refused: 'it is of core-2' }, secondsLeft: 9e6 })).toEqual({
    warnings: { certificate: 'a new one was refused: it is of core-2' },
  });
});
