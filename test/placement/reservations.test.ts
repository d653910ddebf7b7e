import { expect, test } from 'vitest';
import { Reservations } from '../../src/placement/reservations.ts';
import { FakeClock } from '../support/fake-clock.ts';

function fixture() {
  const clock = new FakeClock();
  let number = 0;
  const reservations = new Reservations({ clock, ttlMs: 1_000, newId: () => `r-${++number}` });
  return { clock, reservations };
}

test('a reservation counts until it expires', () => {
  const { clock, reservations } = fixture();
  const { expiresAt } = reservations.take('core-1');
  expect(expiresAt.toISOString()).toBe('2026-01-01T12:00:01.000Z');
  clock.advance(999);
  expect(reservations.byCore).toEqual(new Map([['core-1', 1]]));
  clock.advance(1);
  expect(reservations.byCore).toEqual(new Map());
  expect(reservations.get('r-1')).toBeNull();
});

test('a slot that is held counts until it is released, however long that is', () => {
  const { clock, reservations } = fixture();
  const slot = reservations.take('core-1');
  reservations.take('core-1');
  expect(slot.hold()).toBe(true);
  clock.advance(1e9);
  expect(reservations.byCore).toEqual(new Map([['core-1', 1]]));
  expect(reservations.counts).toEqual({ reserved: 0, held: 1 });
  slot.release();
  slot.release();
  expect(reservations.byCore).toEqual(new Map());
});

test('an expired or released slot cannot be held: somebody else may have it', () => {
  const { clock, reservations } = fixture();
  const late = reservations.take('core-1');
  clock.advance(1_000);
  expect(late.hold()).toBe(false);
  const given = reservations.take('core-1');
  given.release();
  expect(given.hold()).toBe(false);
});

test('one that is held is nobody else’s to find by its id', () => {
  const { reservations } = fixture();
  const slot = reservations.take('core-1');
  expect(reservations.get(slot.id)).toBe(slot);
  slot.hold();
  expect(reservations.get(slot.id)).toBeNull();
});

test('a held slot among others does not keep the later ones from expiring', () => {
  const { clock, reservations } = fixture();
  reservations.take('core-1').hold();
  reservations.take('core-2');
  clock.advance(1_000);
  expect([...reservations.byCore.keys()]).toEqual(['core-1']);
});
