/**
 * What every registry store must do, as one suite: a store's test file calls `describeRegistry` with a way to open one.
 * A store that shares its data between processes also opens a second handle on the same data.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeRecordSchema, type Registry, sessionRecordSchema } from '../../src/registry/index.ts';
import { coreRecord, popRecord, sessionRecord } from '../support/nodes.ts';

export interface RegistryUnderTest {
  /** An empty registry. */
  registry: Registry;
  /** Lets this much time pass for leases and one-time ids. */
  pass(ms: number): Promise<void>;
  /** Unix milliseconds by the store's clock. */
  unixMs(): number;
}

export function describeRegistry(name: string, open: () => Promise<RegistryUnderTest>): void {
  describe(`the registry in ${name}`, () => {
    let registry: Registry;
    let pass: RegistryUnderTest['pass'];
    let unixMs: RegistryUnderTest['unixMs'];
    beforeEach(async () => {
      ({ registry, pass, unixMs } = await open());
    });
    afterEach(() => registry.close());

    describe('nodes', () => {
      it('tells the nodes that were announced, whole', async () => {
        await registry.announce(coreRecord(), 1_000);
        await registry.announce(popRecord(), 1_000);
        const nodes = (await registry.nodes()).sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
        expect(nodes).toEqual([coreRecord(), popRecord()]);
        for (const node of nodes) expect(nodeRecordSchema.parse(node)).toEqual(node);
      });

      it('keeps a node for its lease and not longer', async () => {
        await registry.announce(coreRecord(), 1_000);
        await pass(999);
        expect(await registry.nodes()).toHaveLength(1);
        await pass(1);
        expect(await registry.nodes()).toEqual([]);
      });

      it('counts the lease from the last announcement, and tells the last record', async () => {
        await registry.announce(coreRecord(), 1_000);
        await pass(900);
        await registry.announce(coreRecord({ draining: true }), 1_000);
        await pass(900);
        const nodes = await registry.nodes();
        expect(nodes.map((node) => node.draining)).toEqual([true]);
      });

      it('forgets a node that was withdrawn, and minds no unknown one', async () => {
        await registry.announce(coreRecord(), 1_000);
        await registry.withdraw('core-1');
        await registry.withdraw('never-there');
        expect(await registry.nodes()).toEqual([]);
      });

      it('hands out copies: changing one changes nothing in the store', async () => {
        const record = coreRecord();
        await registry.announce(record, 1_000);
        record.draining = true;
        (await registry.nodes())[0]!.agents.length = 0;
        expect(await registry.nodes()).toEqual([coreRecord()]);
      });
    });

    describe('sessions', () => {
      it('tells a session as it was created', async () => {
        const session = sessionRecord({ metadata: { a: [1, { b: null }] } });
        await registry.createSession(session);
        expect(await registry.session('session-1')).toEqual(session);
        expect(sessionRecordSchema.parse(await registry.session('session-1'))).toEqual(session);
        expect(await registry.sessions()).toEqual([session]);
      });

      it('answers null for a session that is not there', async () => {
        expect(await registry.session('session-1')).toBeNull();
        expect(await registry.sessions()).toEqual([]);
      });

      it('creates an id once', async () => {
        await registry.createSession(sessionRecord());
        await expect(registry.createSession(sessionRecord({ room: 'other' }))).rejects.toMatchObject({
          code: 'ERR_REGISTRY_CONFLICT',
        });
        expect((await registry.session('session-1'))?.room).toBe('room-1');
      });

      it('changes what is given, at the epoch that is given', async () => {
        await registry.createSession(sessionRecord());
        const changed = await registry.updateSession('session-1', 1, { state: 'active' });
        expect(changed).toEqual(sessionRecord({ state: 'active' }));
        const moved = await registry.updateSession('session-1', 1, { epoch: 2, core: 'core-2' });
        expect(moved).toEqual(sessionRecord({ state: 'active', epoch: 2, core: 'core-2' }));
        expect(await registry.session('session-1')).toEqual(moved);
      });

      it('refuses a change at an epoch that has passed, and changes nothing', async () => {
        await registry.createSession(sessionRecord({ epoch: 2 }));
        await expect(registry.updateSession('session-1', 1, { state: 'ended' })).rejects.toMatchObject({
          code: 'ERR_REGISTRY_CONFLICT',
        });
        expect((await registry.session('session-1'))?.state).toBe('created');
      });

      it('lets one of many win who take a session over at the same time', async () => {
        await registry.createSession(sessionRecord());
        const attempts = await Promise.allSettled(
          Array.from({ length: 8 }, (_, n) => registry.updateSession('session-1', 1, { epoch: 2, core: `core-${n}` })),
        );
        const winners = attempts.filter((attempt) => attempt.status === 'fulfilled');
        expect(winners).toHaveLength(1);
        expect((await registry.session('session-1'))?.core).toBe(winners[0]!.value.core);
      });

      it('refuses to change what is not there', async () => {
        await expect(registry.updateSession('session-1', 1, { state: 'ended' })).rejects.toMatchObject({
          code: 'ERR_SESSION_UNKNOWN',
        });
      });

      it('deletes a session, and minds no second time', async () => {
        await registry.createSession(sessionRecord());
        await registry.deleteSession('session-1');
        await registry.deleteSession('session-1');
        expect(await registry.session('session-1')).toBeNull();
      });

      it('hands out copies: changing one changes nothing in the store', async () => {
        const session = sessionRecord();
        await registry.createSession(session);
        session.room = 'changed';
        (await registry.session('session-1'))!.metadata.changed = true;
        expect(await registry.session('session-1')).toEqual(sessionRecord());
      });
    });

    describe('one-time ids', () => {
      it('can be claimed once until they expire', async () => {
        const expiresAtMs = unixMs() + 1_000;
        expect(await registry.claimOnce('a', expiresAtMs)).toBe(true);
        expect(await registry.claimOnce('a', expiresAtMs)).toBe(false);
        expect(await registry.claimOnce('b', expiresAtMs)).toBe(true);
        await pass(999);
        expect(await registry.claimOnce('a', expiresAtMs)).toBe(false);
      });

      it('go to one of many who claim at the same time', async () => {
        const expiresAtMs = unixMs() + 1_000;
        const claims = await Promise.all(Array.from({ length: 8 }, () => registry.claimOnce('a', expiresAtMs)));
        expect(claims.filter(Boolean)).toHaveLength(1);
      });
    });

    it('closes twice', async () => {
      await registry.close();
      await registry.close();
    });
  });
}
