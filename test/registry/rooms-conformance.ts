/** What every registry store must do with rooms; a part of the suite in conformance.ts. */
import { describe, expect } from 'vitest';
import type { RoomClaim } from '../../src/registry/index.ts';
import type { RegistryUnderTest } from './conformance.ts';

type Fixture = Required<RegistryUnderTest>;
type It = (sentence: string, body: (fixture: Fixture) => Promise<void>) => void;

const LEASE_MS = 2_000;
const HOME = { core: 'core-1', agent: 'echo', residency: null } as const;
const claim = (pop: string, seats: number, home: Partial<RoomClaim['home']> = {}): RoomClaim => ({
  ...{ pop, seats },
  home: { ...HOME, ...home },
});

export function describeRooms(it: It): void {
  describe('rooms', () => {
    it('are at the core that the first POP says, and tell their POPs and callers', async ({ registry, other }) => {
      expect(await registry.rooms.get('r')).toBeNull();
      const held = await registry.rooms.hold('r', claim('pop-1', 1), 16, 5_000);
      expect(held).toEqual({ ...HOME, pops: [{ pop: 'pop-1', seats: 1 }] });
      const later = await other.rooms.hold('r', claim('pop-2', 2, { core: 'core-2' }), 16, 5_000);
      expect(later).toEqual({ ...HOME, pops: [{ pop: 'pop-1', seats: 1 }, { pop: 'pop-2', seats: 2 }] }); // biome-ignore format: one line reads better
      expect(await registry.rooms.get('r')).toEqual(later);
      expect(await registry.rooms.get('another')).toBeNull();
    });

    it('go to one of many POPs that ask at the same time', async ({ registry, other }) => {
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, n) =>
          (n % 2 === 0 ? registry : other).rooms.hold('r', claim(`pop-${n}`, 1, { core: `core-${n}` }), 16, 5_000),
        ),
      );
      expect(new Set(answers.map(({ core }) => core)).size).toBe(1);
      expect((await other.rooms.get('r'))?.pops).toHaveLength(8);
    });

    it('answer as they are to who comes with another agent or pin, and count nobody', async ({ registry, other }) => {
      const held = await registry.rooms.hold('r', claim('pop-1', 1, { residency: 'eu' }), 16, 5_000);
      expect(await other.rooms.hold('r', claim('pop-2', 1, { agent: 'desk', residency: 'eu' }), 16, 5_000)).toEqual(
        held,
      );
      expect(await other.rooms.hold('r', claim('pop-2', 1), 16, 5_000)).toEqual(held);
      expect(await registry.rooms.get('r')).toEqual(held);
    });

    it('take no more callers than they may, of all POPs together', async ({ registry, other }) => {
      await registry.rooms.hold('r', claim('pop-1', 2), 3, 5_000);
      await other.rooms.hold('r', claim('pop-2', 1), 3, 5_000);
      const full = { code: 'ERR_ROOM_FULL' };
      await expect(other.rooms.hold('r', claim('pop-2', 2), 3, 5_000)).rejects.toMatchObject(full);
      await expect(registry.rooms.hold('r', claim('pop-1', 3), 3, 5_000)).rejects.toMatchObject(full);
      expect((await registry.rooms.get('r'))?.pops).toEqual([{ pop: 'pop-1', seats: 2 }, { pop: 'pop-2', seats: 1 }]); // biome-ignore format: one line reads better
      await registry.rooms.renew('r', claim('pop-1', 1), 5_000);
      await other.rooms.hold('r', claim('pop-2', 2), 3, 5_000);
    });

    it('are free when every lease has run out, and not before', async ({ registry, other, pass, slackMs }) => {
      await registry.rooms.hold('r', claim('pop-1', 1), 16, LEASE_MS);
      await other.rooms.hold('r', claim('pop-2', 1), 16, LEASE_MS * 3);
      await pass(LEASE_MS + slackMs);
      expect(await registry.rooms.get('r')).toEqual({ ...HOME, pops: [{ pop: 'pop-2', seats: 1 }] });
      await pass(LEASE_MS * 2 + slackMs);
      expect(await registry.rooms.get('r')).toBeNull();
      const anew = await registry.rooms.hold('r', claim('pop-3', 1, { core: 'core-3', agent: 'desk' }), 16, 5_000);
      expect(anew).toMatchObject({ core: 'core-3', agent: 'desk', pops: [{ pop: 'pop-3' }] });
    });

    it('are free when the last POP has dropped them', async ({ registry, other }) => {
      await registry.rooms.hold('r', claim('pop-1', 1), 16, 5_000);
      await other.rooms.hold('r', claim('pop-2', 1), 16, 5_000);
      await registry.rooms.drop('r', 'pop-1');
      await registry.rooms.drop('r', 'pop-1');
      expect(await registry.rooms.get('r')).toEqual({ ...HOME, pops: [{ pop: 'pop-2', seats: 1 }] });
      await other.rooms.drop('r', 'pop-2');
      expect(await registry.rooms.get('r')).toBeNull();
      await registry.rooms.drop('never-there', 'pop-1');
    });

    it('are held by renewal, and put back when the store lost them', async ({ registry, other, pass, slackMs }) => {
      await registry.rooms.hold('r', claim('pop-1', 1), 16, LEASE_MS);
      await pass(LEASE_MS / 2);
      await registry.rooms.renew('r', claim('pop-1', 2), LEASE_MS * 3);
      await pass(LEASE_MS / 2 + slackMs);
      expect(await other.rooms.get('r')).toEqual({ ...HOME, pops: [{ pop: 'pop-1', seats: 2 }] });
      expect(await other.rooms.renew('lost', claim('pop-2', 1, { core: 'core-9' }), 5_000)).toMatchObject({
        core: 'core-9',
      });
      expect(await registry.rooms.renew('lost', claim('pop-1', 1), 5_000)).toMatchObject({ core: 'core-9' });
    });

    it('move once: who comes second is told where they are', async ({ registry, other }) => {
      await registry.rooms.hold('r', claim('pop-1', 1), 16, 5_000);
      await other.rooms.hold('r', claim('pop-2', 1), 16, 5_000);
      const moves = await Promise.all([
        registry.rooms.move('r', 'core-1', claim('pop-1', 1, { core: 'core-2' }), 5_000),
        other.rooms.move('r', 'core-1', claim('pop-2', 1, { core: 'core-3' }), 5_000),
      ]);
      expect(moves[0].core).toBe(moves[1].core);
      expect(await registry.rooms.renew('r', claim('pop-1', 1), 5_000)).toMatchObject({ core: moves[0].core });
      expect((await other.rooms.get('r'))?.pops).toHaveLength(2);
    });

    it('move for a POP that alone remembers them', async ({ registry, other }) => {
      await registry.rooms.move('r', 'core-1', claim('pop-1', 1, { core: 'core-2' }), 5_000);
      expect(await other.rooms.get('r')).toMatchObject({ core: 'core-2' });
    });
  });
}
