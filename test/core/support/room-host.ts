/**
 * A core's session host on real media workers, and POPs beside it that take seats in rooms: what each is told is kept,
 * and can be waited for.
 */
import type { CoreEventData, CoreEventName, MediaWorker, PopPeer } from '../../../src/backbone/index.ts';
import { systemClock } from '../../../src/clock.ts';
import { CoreMetrics } from '../../../src/core/core-metrics.ts';
import { NodeClock } from '../../../src/core/node-clock.ts';
import { SessionHost } from '../../../src/core/session-host.ts';
import { WorkerPool } from '../../../src/core/worker-pool.ts';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.ts';
import { ScriptedAgents } from './scripted-agents.ts';
import { type ScriptedCaller, ScriptedPop } from './scripted-pop.ts';

type Told = { [E in CoreEventName]: [E, CoreEventData<E>] }[CoreEventName];

/** A POP as the control server would show it. */
export class RoomPeer implements PopPeer {
  readonly nodeId: string;
  readonly region = 'local';
  readonly told: Told[] = [];
  /** Takes the journal, as a POP does. */
  onJournal: (data: CoreEventData<'session.journal'>) => void = () => {};
  #wake: (() => void)[] = [];

  constructor(nodeId: string) {
    this.nodeId = nodeId;
  }
  rttMs(): number {
    return 5;
  }
  send<E extends CoreEventName>(event: E, data: CoreEventData<E>): void {
    this.told.push([event, data] as unknown as Told);
    if (event === 'session.journal') this.onJournal(data as CoreEventData<'session.journal'>);
    for (const wake of this.#wake.splice(0)) wake();
  }
  close(): void {}

  of<E extends CoreEventName>(event: E): CoreEventData<E>[] {
    return this.told.filter(([name]) => name === event).map(([, data]) => data as CoreEventData<E>);
  }

  /** The first event of this name that fits, told already or to come. */
  async hears<E extends CoreEventName>(
    event: E,
    fits: (data: CoreEventData<E>) => boolean = () => true,
  ): Promise<CoreEventData<E>> {
    for (;;) {
      const found = this.of(event).find(fits);
      if (found) return found;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Names in the room, as it was told last. */
  get members(): string[] {
    return (
      this.of('room.members')
        .at(-1)
        ?.members.map(({ name }) => name) ?? []
    );
  }
}

export interface RoomPop {
  readonly peer: RoomPeer;
  readonly pop: ScriptedPop;
}

export class RoomHost {
  readonly agents = new ScriptedAgents();
  readonly metrics: CoreMetrics;
  readonly host: SessionHost;
  readonly #nodeClock = new NodeClock({ clock: systemClock, log: silentLogger });
  readonly #pops: RoomPop[] = [];

  constructor(workers: readonly MediaWorker[]) {
    this.metrics = new CoreMetrics(createMetrics({ processMetrics: false }), 'core-1');
    this.host = new SessionHost({
      agents: this.agents,
      workers: new WorkerPool(workers, systemClock),
      nodeClock: this.#nodeClock,
      clock: systemClock,
      log: silentLogger,
      metrics: this.metrics,
      admission: { demand: () => {} },
      maxSessionMs: 600_000,
      popGraceMs: 30_000,
      reorderWaitMs: 40,
      listenIp: '127.0.0.1',
      announcedAddress: null,
    });
  }

  /** A POP with one pipe. */
  async pop(nodeId: string, worker: MediaWorker): Promise<RoomPop> {
    const peer = new RoomPeer(nodeId);
    this.host.peerOpened(peer);
    peer.onJournal = ({ sessionId, epoch, from, notes }) => {
      queueMicrotask(() =>
        this.host.event(peer, 'session.journaled', { sessionId, epoch, to: from + notes.length - 1 }),
      );
    };
    const pop = new ScriptedPop(worker, async (method, data) => this.host.request(peer, method, data), nodeId);
    await pop.openPipe();
    const made = { peer, pop };
    this.#pops.push(made);
    return made;
  }

  /** Somebody takes a seat in the room `den` and hears. */
  async seat({ pop }: RoomPop, name: string, agent = 'failing'): Promise<ScriptedCaller> {
    const caller = pop.caller(`session-${name}`);
    await caller.attach(agent, seatOf(name));
    await caller.ready();
    return caller;
  }

  async close(): Promise<void> {
    await this.host.endAll({ code: 'node-shutdown', reason: 'The test is over.' });
    this.host.close();
    for (const { pop } of this.#pops) pop.pipe.close();
    this.#nodeClock.close();
  }
}

export function seatOf(name: string) {
  return { room: 'den', seat: { participantId: name.toLowerCase(), name } };
}
