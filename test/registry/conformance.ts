/**
 * What every registry store must do, as one suite: a store's test file calls `describeRegistry` with a way to open one.
 * A store that shares its data between processes also opens a second handle on the same data.
 */
import { describe, expect, test } from 'vitest';
import {
  type NodeChange,
  type NodeSubscription,
  nodeRecordSchema,
  type Registry,
  type SessionPage,
  type SessionQuery,
  sessionRecordSchema,
} from '../../src/registry/index.ts';
import { coreRecord, popRecord, sessionRecord } from '../support/nodes.ts';
import { describeOrders } from './orders-conformance.ts';
import { describeRooms } from './rooms-conformance.ts';

export interface RegistryUnderTest {
  /** An empty registry of zone `local`. */
  registry: Registry;
  /** A second handle on the same data, where the store is shared between processes. */
  other?: Registry;
  /** How exactly `pass` hits the ends of leases, milliseconds. */
  slackMs: number;
  /** Lets this much time pass for leases and one-time ids. */
  pass(ms: number): Promise<void>;
  /** Unix milliseconds by the store's clock. */
  unixMs(): number;
}

interface Fixture extends RegistryUnderTest {
  /** The same data by another handle, or the same handle. */
  other: Registry;
  watched(): Watched;
}

interface Watched {
  /** Such as `joined core-1`, as the other handle sees them. */
  readonly changes: string[];
  readonly nodes: NodeChange[];
  /** Resolves with the changes when there are so many, or after 5 s. */
  atLeast(count: number): Promise<string[]>;
  readonly subscription: NodeSubscription;
}

const LEASE_MS = 2_000;
const HOME = { pop: 'pop-1', core: 'core-1', epoch: 1, zone: 'local' } as const;

/** @param skip why it cannot run here; null when it can */
export function describeRegistry(
  name: string,
  open: () => Promise<RegistryUnderTest>,
  skip: string | null = null,
): void {
  describe.skipIf(skip !== null)(`the registry in ${name}${skip === null ? '' : ` (${skip})`}`, () => {
    /** Each with a registry of its own; those that wait for leases wait side by side. */
    const it = (sentence: string, body: (fixture: Fixture) => Promise<void>) =>
      test.concurrent(sentence, async () => {
        const opened = await open();
        const other = opened.other ?? opened.registry;
        try {
          await body({ ...opened, other, watched: () => watch(other, opened.pass) });
        } finally {
          await opened.registry.close();
          await other.close();
        }
      });

    describe('nodes', () => {
      it('tells the nodes that were announced, whole', async ({ registry }) => {
        await registry.announce(coreRecord(), 1_000);
        await registry.announce(popRecord(), 1_000);
        const nodes = (await registry.nodes()).sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
        expect(nodes).toEqual([coreRecord(), popRecord()]);
        for (const node of nodes) expect(nodeRecordSchema.parse(node)).toEqual(node);
      });

      it('keeps a node for its lease and not longer', async ({ registry, other, pass, slackMs }) => {
        await registry.announce(coreRecord(), LEASE_MS);
        await pass(LEASE_MS - slackMs);
        expect(await other.nodes()).toHaveLength(1);
        await pass(slackMs);
        expect(await other.nodes()).toEqual([]);
      });

      it('counts the lease from the last announcement, and tells the last record', async ({
        registry,
        other,
        pass,
      }) => {
        await registry.announce(coreRecord(), LEASE_MS);
        await pass(1_200);
        await registry.announce(coreRecord({ draining: true }), LEASE_MS);
        await pass(1_200);
        const nodes = await other.nodes();
        expect(nodes.map((node) => node.draining)).toEqual([true]);
      });

      it('forgets a node that was withdrawn, and minds no unknown one', async ({ registry }) => {
        await registry.announce(coreRecord(), 1_000);
        await registry.withdraw('core-1');
        await registry.withdraw('never-there');
        expect(await registry.nodes()).toEqual([]);
      });

      it('tells how long each lease runs, and which nodes were lost', async ({ registry, other, pass, slackMs }) => {
        await registry.announce(coreRecord({ draining: true }), LEASE_MS);
        await registry.announce(popRecord(), 60_000);
        await registry.announce(popRecord({ nodeId: 'pop-2' }), 60_000);
        await registry.withdraw('pop-2');
        const before = await leases(other);
        expect([...before.keys()]).toEqual(['core-1', 'pop-1']);
        expect(before.get('core-1')).toBeGreaterThan(LEASE_MS - slackMs - 1);
        expect(before.get('core-1')).toBeLessThanOrEqual(LEASE_MS);
        await pass(LEASE_MS + slackMs);
        const after = await leases(other);
        expect(after.get('core-1')).toBeLessThanOrEqual(-slackMs + 1);
        expect(after.get('pop-1')).toBeGreaterThan(50_000);
        expect((await other.presences()).find(({ leaseMs }) => leaseMs < 0)?.node).toEqual(
          coreRecord({ draining: true }),
        );
        await registry.announce(coreRecord(), LEASE_MS);
        expect((await leases(other)).get('core-1')).toBeGreaterThan(0);
        await registry.withdraw('core-1');
        expect([...(await leases(other)).keys()]).toEqual(['pop-1']);
      });

      it('tells watchers who is there, who joins, changes and leaves', async ({ registry, watched }) => {
        await registry.announce(coreRecord(), 60_000);
        const { atLeast, nodes } = watched();
        expect(await atLeast(1)).toEqual(['joined core-1']);
        await registry.announce(popRecord(), 60_000);
        expect(await atLeast(2)).toEqual(['joined core-1', 'joined pop-1']);
        await registry.announce(coreRecord({ draining: true }), 60_000);
        expect((await atLeast(3)).at(2)).toBe('changed core-1');
        expect(nodes[2]!.node.draining).toBe(true);
        await registry.withdraw('core-1');
        expect((await atLeast(4)).at(3)).toBe('left core-1');
        expect(nodes[3]!.node).toEqual(coreRecord({ draining: true }));
      });

      it('tells watchers of a node that died within 2 s of its last announcement', async ({
        registry,
        pass,
        watched,
      }) => {
        const { atLeast } = watched();
        await registry.announce(coreRecord(), 1_500);
        await atLeast(1);
        await pass(2_000);
        expect(await atLeast(1)).toEqual(['joined core-1', 'left core-1']);
      });

      it('tells watchers nothing of a node that is only renewed, and nothing after they closed', async ({
        registry,
        pass,
        watched,
      }) => {
        const { atLeast, changes, subscription } = watched();
        for (let n = 0; n < 5; n++) {
          await registry.announce(coreRecord(), LEASE_MS);
          await pass(300);
        }
        expect(await atLeast(1)).toEqual(['joined core-1']);
        subscription.close();
        subscription.close();
        await registry.withdraw('core-1');
        await pass(300);
        expect(changes).toHaveLength(1);
      });

      it('goes on telling others when a watcher fails', async ({ registry, other, watched }) => {
        other.watch(() => {
          throw new Error('a watcher that fails');
        });
        const { atLeast } = watched();
        await registry.announce(coreRecord(), 5_000);
        expect(await atLeast(1)).toEqual(['joined core-1']);
      });

      it('hands out copies: changing one changes nothing in the store', async ({ registry }) => {
        const record = coreRecord();
        await registry.announce(record, 1_000);
        record.draining = true;
        (await registry.nodes())[0]!.agents.length = 0;
        expect(await registry.nodes()).toEqual([coreRecord()]);
      });
    });

    describe('sessions', () => {
      it('tells a session as it was created', async ({ registry }) => {
        const session = sessionRecord({ metadata: { a: [1, { b: null }] } });
        await registry.createSession(session);
        expect(await registry.session('session-1')).toEqual(session);
        expect(sessionRecordSchema.parse(await registry.session('session-1'))).toEqual(session);
        expect(await registry.sessions()).toEqual([session]);
      });

      it('answers null for a session that is not there', async ({ registry }) => {
        expect(await registry.session('session-1')).toBeNull();
        expect(await registry.sessions()).toEqual([]);
      });

      it('creates an id once', async ({ registry }) => {
        await registry.createSession(sessionRecord());
        await expect(registry.createSession(sessionRecord({ room: 'other' }))).rejects.toMatchObject({
          code: 'ERR_REGISTRY_CONFLICT',
        });
        expect((await registry.session('session-1'))?.room).toBe('room-1');
      });

      it('changes what is given, at the epoch that is given', async ({ registry }) => {
        await registry.createSession(sessionRecord());
        const changed = await registry.updateSession('session-1', 1, { state: 'active' });
        expect(changed).toEqual(sessionRecord({ state: 'active' }));
        const moved = await registry.updateSession('session-1', 1, { epoch: 2, core: 'core-2' });
        expect(moved).toEqual(sessionRecord({ state: 'active', epoch: 2, core: 'core-2' }));
        expect(await registry.session('session-1')).toEqual(moved);
      });

      it('refuses a change at an epoch that has passed, and changes nothing', async ({ registry }) => {
        await registry.createSession(sessionRecord({ epoch: 2 }));
        await expect(registry.updateSession('session-1', 1, { state: 'ended' })).rejects.toMatchObject({
          code: 'ERR_REGISTRY_CONFLICT',
        });
        expect((await registry.session('session-1'))?.state).toBe('created');
      });

      it('lets one of many win who take a session over at the same time', async ({ registry }) => {
        await registry.createSession(sessionRecord());
        const attempts = await Promise.allSettled(
          Array.from({ length: 8 }, (_, n) => registry.updateSession('session-1', 1, { epoch: 2, core: `core-${n}` })),
        );
        const winners = attempts.filter((attempt) => attempt.status === 'fulfilled');
        expect(winners).toHaveLength(1);
        expect((await registry.session('session-1'))?.core).toBe(winners[0]!.value.core);
      });

      it('refuses to change what is not there', async ({ registry }) => {
        await expect(registry.updateSession('session-1', 1, { state: 'ended' })).rejects.toMatchObject({
          code: 'ERR_SESSION_UNKNOWN',
        });
      });

      it('deletes a session, and minds no second time', async ({ registry }) => {
        await registry.createSession(sessionRecord());
        await registry.deleteSession('session-1');
        await registry.deleteSession('session-1');
        expect(await registry.session('session-1')).toBeNull();
      });

      it('hands out copies: changing one changes nothing in the store', async ({ registry }) => {
        const session = sessionRecord();
        await registry.createSession(session);
        session.room = 'changed';
        (await registry.session('session-1'))!.metadata.changed = true;
        expect(await registry.session('session-1')).toEqual(sessionRecord());
      });
    });

    describe('lists of sessions', () => {
      const ids = Array.from({ length: 23 }, (_, n) => `session-${n}`);
      const fill = async (registry: Registry) => {
        for (const [n, sessionId] of ids.entries()) {
          const agent = n % 2 === 0 ? 'echo' : 'front-desk';
          const state = n % 5 === 0 ? 'ended' : n % 5 === 1 ? 'created' : 'active';
          const room = n < 4 ? 'room-of-four' : `room-${n}`;
          await registry.createSession(
            sessionRecord({ sessionId, agent, state, room, core: `core-${n % 3}`, pop: `pop-${n % 4}` }),
          );
        }
        await registry.announce(coreRecord(), 60_000);
      };
      const running = ids.filter((_, n) => n % 5 !== 0);

      it('tell each session that has not ended, page by page, none of them longer than asked', async ({
        registry,
        other,
      }) => {
        await fill(registry);
        const { found, pages } = await allPages(other, { limit: 4 });
        expect(found.map(({ sessionId }) => sessionId).sort()).toEqual([...running].sort());
        expect(found.find(({ sessionId }) => sessionId === 'session-1')).toEqual(await registry.session('session-1'));
        for (const page of pages) {
          expect(page.sessions.length).toBeLessThanOrEqual(4);
          expect(page.partial).toBe(false);
        }
        expect(pages.length).toBeGreaterThanOrEqual(Math.ceil(running.length / 4));
      });

      it('hold what was asked for: of a POP or a core, a room, an agent, a state', async ({ registry, other }) => {
        await fill(registry);
        const asked = async (query: Partial<SessionQuery>) => {
          const { found } = await allPages(other, { limit: 100, ...query });
          return found.map(({ sessionId }) => Number(sessionId.slice('session-'.length))).sort((a, b) => a - b);
        };
        expect(await asked({ node: 'core-1' })).toEqual([1, 4, 7, 13, 16, 19, 22]);
        expect(await asked({ node: 'pop-3' })).toEqual([3, 7, 11, 19]);
        expect(await asked({ node: 'pop-3', agent: 'echo' })).toEqual([]);
        expect(await asked({ room: 'room-of-four' })).toEqual([1, 2, 3]);
        expect(await asked({ states: ['ended'] })).toEqual([0, 5, 10, 15, 20]);
        expect(await asked({ states: ['created'], agent: 'echo' })).toEqual([6, 16]);
        expect(await asked({ node: 'core-9' })).toEqual([]);
      });

      it('go on after sessions came and went between two pages', async ({ registry, other }) => {
        await fill(registry);
        const first = await other.listSessions({ limit: 5 });
        const told = new Set(first.sessions.map(({ sessionId }) => sessionId));
        const gone = running.filter((id) => !told.has(id)).slice(0, 3);
        for (const sessionId of gone) await registry.deleteSession(sessionId);
        for (const n of [1, 2, 3]) await registry.createSession(sessionRecord({ sessionId: `later-${n}` }));
        const { found } = await allPages(other, { limit: 5, cursor: first.next! });
        for (const { sessionId } of found) told.add(sessionId);
        for (const sessionId of running)
          expect([sessionId, told.has(sessionId)]).toEqual([sessionId, !gone.includes(sessionId)]);
      });

      it('are empty where there is none, and refuse a cursor that no page told', async ({ registry }) => {
        expect(await registry.listSessions({ limit: 10 })).toEqual({ sessions: [], next: null, partial: false });
        for (const cursor of ['', 'x', Buffer.from('["scan",-1,"0",""]').toString('base64url')]) {
          await expect(registry.listSessions({ limit: 10, cursor })).rejects.toMatchObject({
            code: 'ERR_REQUEST_MALFORMED',
            path: 'cursor',
          });
        }
      });
    });

    describe('one-time ids', () => {
      it('can be claimed once until they expire', async ({ registry, other, pass, unixMs, slackMs }) => {
        const expiresAtMs = unixMs() + 2_000;
        expect(await registry.claimOnce('a', expiresAtMs)).toBe(true);
        expect(await registry.claimOnce('a', expiresAtMs)).toBe(false);
        expect(await registry.claimOnce('b', expiresAtMs)).toBe(true);
        expect(await other.claimOnce('a', expiresAtMs)).toBe(false);
        await pass(2_000 - slackMs);
        expect(await registry.claimOnce('a', expiresAtMs)).toBe(false);
      });

      it('go to one of many who claim at the same time', async ({ registry, other, unixMs }) => {
        const expiresAtMs = unixMs() + 1_000;
        const claims = await Promise.all(
          Array.from({ length: 8 }, (_, n) => (n % 2 === 0 ? registry : other).claimOnce('a', expiresAtMs)),
        );
        expect(claims.filter(Boolean)).toHaveLength(1);
      });
    });

    describe('the session directory', () => {
      it('tells a home with what is left of its lease', async ({ registry, other }) => {
        await registry.directory.claim('s-1', HOME, 5_000);
        const held = await other.directory.get('s-1');
        expect(held).toMatchObject(HOME);
        expect(held!.leaseMs).toBeGreaterThan(4_000);
        expect(held!.leaseMs).toBeLessThanOrEqual(5_000);
        expect(await other.directory.get('s-2')).toBeNull();
      });

      it('keeps a home whose lease ran out, for whoever takes over', async ({ registry, other, pass, slackMs }) => {
        await registry.directory.claim('s-1', HOME, LEASE_MS);
        await pass(LEASE_MS + slackMs);
        expect(await other.directory.get('s-1')).toEqual({ ...HOME, leaseMs: 0 });
        await expect(other.directory.claim('s-1', { ...HOME, core: 'core-2' }, LEASE_MS)).rejects.toMatchObject({
          code: 'ERR_REGISTRY_CONFLICT',
        });
      });

      it('lets the same core claim twice, and no other', async ({ registry, other }) => {
        await registry.directory.claim('s-1', HOME, 5_000);
        await registry.directory.claim('s-1', HOME, 5_000);
        await expect(other.directory.claim('s-1', { ...HOME, core: 'core-2' }, 5_000)).rejects.toMatchObject({
          code: 'ERR_REGISTRY_CONFLICT',
        });
        expect((await registry.directory.get('s-1'))?.core).toBe('core-1');
      });

      it('gives a session to one of many cores that take it over at the same time', async ({ registry, other }) => {
        await registry.directory.claim('s-1', HOME, 5_000);
        const attempts = await Promise.allSettled(
          Array.from({ length: 8 }, (_, n) =>
            (n % 2 === 0 ? registry : other).directory.takeOver('s-1', 1, next(`core-${n + 2}`), 5_000),
          ),
        );
        const winners = attempts.filter((attempt) => attempt.status === 'fulfilled');
        expect(winners).toHaveLength(1);
        expect(winners[0]!.value.epoch).toBe(2);
        expect(await other.directory.get('s-1')).toMatchObject(winners[0]!.value);
        for (const attempt of attempts) {
          if (attempt.status === 'rejected') expect(attempt.reason.code).toBe('ERR_REGISTRY_CONFLICT');
        }
      });

      it('answers the winner the same when it asks again', async ({ registry }) => {
        await registry.directory.claim('s-1', HOME, 5_000);
        const won = await registry.directory.takeOver('s-1', 1, next('core-2'), 5_000);
        expect(await registry.directory.takeOver('s-1', 1, next('core-2'), 5_000)).toEqual(won);
      });

      it('gives a session to one of many POPs that take it over at the same core', async ({ registry, other }) => {
        await registry.directory.claim('s-1', HOME, 5_000);
        const attempts = await Promise.allSettled(
          Array.from({ length: 8 }, (_, n) =>
            (n % 2 === 0 ? registry : other).directory.takeOver('s-1', 1, { ...HOME, pop: `pop-${n + 2}` }, 5_000),
          ),
        );
        const winners = attempts.filter((attempt) => attempt.status === 'fulfilled');
        expect(winners).toHaveLength(1);
        expect(winners[0]!.value).toMatchObject({ core: HOME.core, epoch: 2 });
        expect((await other.directory.get('s-1'))?.pop).toBe(winners[0]!.value.pop);
      });

      it('keeps the newest resume token that it was told of, whoever has the session', async ({ registry, other }) => {
        const generationOf = async () => (await other.directory.get('s-1'))?.generation;
        await registry.directory.claim('s-1', HOME, 5_000);
        expect(await generationOf()).toBeUndefined();
        await registry.directory.renew('s-1', { ...HOME, generation: 3 }, 5_000);
        expect(await generationOf()).toBe(3);
        await registry.directory.renew('s-1', { ...HOME, generation: 2 }, 5_000);
        expect(await generationOf()).toBe(3);
        await other.directory.takeOver('s-1', 1, next('core-2'), 5_000);
        expect(await generationOf()).toBe(3);
        await other.directory.takeOver('s-1', 2, { ...next('core-2'), generation: 4 }, 5_000);
        expect(await generationOf()).toBe(4);
      });

      it('fences the older epoch: it renews no more, and releases nothing', async ({ registry, other }) => {
        await registry.directory.claim('s-1', HOME, 5_000);
        await other.directory.takeOver('s-1', 1, next('core-2'), 5_000);
        await expect(registry.directory.renew('s-1', HOME, 5_000)).rejects.toMatchObject({
          code: 'ERR_REGISTRY_CONFLICT',
        });
        expect(await registry.directory.release('s-1', 1)).toBe(false);
        expect(await other.directory.get('s-1')).toMatchObject({ core: 'core-2', epoch: 2 });
      });

      it('refuses a take-over of an epoch that has passed, and changes nothing', async ({ registry, other }) => {
        await registry.directory.claim('s-1', { ...HOME, epoch: 3 }, 5_000);
        await expect(other.directory.takeOver('s-1', 1, next('core-2'), 5_000)).rejects.toMatchObject({
          code: 'ERR_REGISTRY_CONFLICT',
        });
        expect(await other.directory.get('s-1')).toMatchObject({ core: 'core-1', epoch: 3 });
      });

      it('renews a lease, also one that ran out, and takes a new POP', async ({ registry, other, pass, slackMs }) => {
        await registry.directory.claim('s-1', HOME, LEASE_MS);
        await pass(LEASE_MS + slackMs);
        expect(await registry.directory.renew('s-1', { ...HOME, pop: 'pop-2' }, 5_000)).toBe('renewed');
        const held = await other.directory.get('s-1');
        expect(held).toMatchObject({ ...HOME, pop: 'pop-2' });
        expect(held!.leaseMs).toBeGreaterThan(4_000);
      });

      it('refuses the renewal of another core at the same epoch', async ({ registry, other }) => {
        await registry.directory.claim('s-1', HOME, 5_000);
        await expect(other.directory.renew('s-1', { ...HOME, core: 'core-2' }, 5_000)).rejects.toMatchObject({
          code: 'ERR_REGISTRY_CONFLICT',
        });
      });

      it('gives a lost home back to who renews it, and tells the owner', async ({ registry, other }) => {
        const reclaimed: string[] = [];
        registry.events.on('reclaimed', (sessionId) => reclaimed.push(sessionId));
        expect(await registry.directory.renew('s-1', { ...HOME, epoch: 4 }, 5_000)).toBe('reclaimed');
        expect(reclaimed).toEqual(['s-1']);
        await expect(other.directory.renew('s-1', { ...HOME, epoch: 3 }, 5_000)).rejects.toMatchObject({
          code: 'ERR_REGISTRY_CONFLICT',
        });
        expect(await other.directory.renew('s-1', { ...HOME, core: 'core-9', epoch: 5 }, 5_000)).toBe('reclaimed');
        expect(await registry.directory.get('s-1')).toMatchObject({ core: 'core-9', epoch: 5 });
      });

      it('takes over what the store lost, at the epoch that is told', async ({ registry }) => {
        expect(await registry.directory.takeOver('s-1', 7, next('core-2'), 5_000)).toEqual({
          ...next('core-2'),
          epoch: 8,
        });
      });

      it('gives a released session to nobody', async ({ registry, other }) => {
        await registry.directory.claim('s-1', HOME, 5_000);
        expect(await registry.directory.release('s-1', 1)).toBe(true);
        expect(await registry.directory.release('s-1', 1)).toBe(true);
        expect(await other.directory.get('s-1')).toBeNull();
        const ended = { code: 'ERR_SESSION_ENDED' };
        await expect(other.directory.claim('s-1', HOME, 5_000)).rejects.toMatchObject(ended);
        await expect(other.directory.takeOver('s-1', 1, next('core-2'), 5_000)).rejects.toMatchObject(ended);
        await expect(registry.directory.renew('s-1', HOME, 5_000)).rejects.toMatchObject(ended);
        expect(await registry.directory.release('never-there', 1)).toBe(true);
      });

      it('holds no home of another zone', async ({ registry }) => {
        const abroad = { ...HOME, zone: 'elsewhere' };
        const refused = { code: 'ERR_REGISTRY_ZONE' };
        await expect(registry.directory.claim('s-1', abroad, 5_000)).rejects.toMatchObject(refused);
        await expect(registry.directory.renew('s-1', abroad, 5_000)).rejects.toMatchObject(refused);
        await expect(registry.directory.takeOver('s-1', 1, abroad, 5_000)).rejects.toMatchObject(refused);
        expect(await registry.directory.get('s-1')).toBeNull();
      });
    });

    describeRooms(it);
    describeOrders(it);

    it('says that it is connected, and how old its answers are', async ({ registry }) => {
      await registry.nodes();
      expect(registry.state).toEqual({ connected: true, staleMs: 0 });
    });

    it('closes twice', async ({ registry }) => {
      await registry.close();
      await registry.close();
    });
  });
}

/** By node, alive or lost, in the order of their ids. */
async function leases(registry: Registry): Promise<Map<string, number>> {
  const presences = await registry.presences();
  return new Map(presences.map(({ node, leaseMs }): [string, number] => [node.nodeId, leaseMs]).sort());
}

/** Every page from `query` on, and what they hold. @throws Error when the list has no end */
async function allPages(registry: Registry, query: SessionQuery) {
  const pages: SessionPage[] = [];
  let cursor = query.cursor;
  do {
    if (pages.length > 200) throw new Error('the list has no end');
    const page = await registry.listSessions({ ...query, ...(cursor !== undefined && { cursor }) });
    pages.push(page);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return { pages, found: pages.flatMap(({ sessions }) => sessions) };
}

function next(core: string) {
  return { pop: 'pop-1', core, zone: 'local' };
}

function watch(registry: Registry, pass: RegistryUnderTest['pass']): Watched {
  const changes: string[] = [];
  const nodes: NodeChange[] = [];
  const subscription = registry.watch((change) => {
    changes.push(`${change.kind} ${change.node.nodeId}`);
    nodes.push(change);
  });
  const atLeast = async (count: number) => {
    for (let waitedMs = 0; changes.length < count && waitedMs < 5_000; waitedMs += 10) await pass(10);
    return changes;
  };
  return { changes, nodes, atLeast, subscription };
}
