/**
 * A room: several callers and one agent, who hears one after the other and is heard by all. Owns the agent's run, its ear
 * and voice, who is in it and what is forwarded between their POPs; each caller's seat is a RoomMember. Ends with the
 * last one.
 */
import { randomInt } from 'node:crypto';
import type { SessionEnd } from '../agent/client-events.ts';
import type { JournalState } from '../agent/journal/index.ts';
import type { Speaker } from '../agent/types.ts';
import type { CoreEventData } from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../telemetry/index.ts';
import { AgentRun, type Audience } from './agent-run.ts';
import type { AgentStarter } from './agent-starter.ts';
import type { CoreTotals } from './core-metrics.ts';
import type { NodeClock } from './node-clock.ts';
import type { OpusDecoder } from './opus-codec.ts';
import type { PopLink } from './pop-link.ts';
import { resumptionOf } from './resume.ts';
import { RoomEar } from './room-ear.ts';
import { type ForwardTarget, RoomForward } from './room-forward.ts';
import { RoomMember, type SeatedAttach } from './room-member.ts';
import { RoomRoster } from './room-roster.ts';
import { RoomVoice } from './room-voice.ts';
import type { WayToCaller } from './seat.ts';

export interface RoomSeatOptions {
  attach: SeatedAttach;
  link: PopLink;
  /** Closed with the seat. */
  decoder: OpusDecoder;
  clock: Clock;
  nodeClock: NodeClock;
  totals: CoreTotals;
  reorderWaitMs: number;
  /** A caller whose POP is lost may come back by another within this time. */
  popGraceMs: number;
  log: Logger;
  /** Called once. */
  onEnded: (member: RoomMember, end: SessionEnd) => void;
}

export interface RoomOptions {
  /** Of the first seat: it says which agent, and whose pin. */
  attach: SeatedAttach;
  agents: AgentStarter;
  clock: Clock;
  nodeClock: NodeClock;
  totals: CoreTotals;
  /** It is over then at the latest, whoever is in it. */
  maxSessionMs: number;
  log: Logger;
  /** Nobody is in it any more. */
  onClosed: (room: Room) => void;
}

export class Room {
  readonly name: string;
  readonly agent: string;
  readonly residency: string | null;
  readonly ear: RoomEar;
  readonly voice: RoomVoice;
  readonly run: AgentRun;
  readonly #options: RoomOptions;
  readonly #log: Logger;
  readonly #roster: RoomRoster;
  readonly #forward: RoomForward;
  /** In the order of their coming; those without a pipe yet included. */
  readonly #members = new Map<string, RoomMember>();
  /** Those who had a pipe: the others and the agent know them. */
  readonly #seated = new Set<RoomMember>();
  /** What a seat that comes later is to be told. */
  #yields = false;
  #paused = false;
  #bindings = 0;
  #closed: Promise<void> | null = null;

  constructor(options: RoomOptions) {
    this.#options = options;
    const { attach, agents, clock, nodeClock, totals, maxSessionMs } = options;
    this.name = attach.room;
    this.agent = attach.agent;
    this.residency = attach.residency;
    this.#log = options.log.child({ room: this.name });
    const onFault = (error: unknown) => this.run.failed(error);
    this.ear = new RoomEar({ nodeClock, totals, onFault });
    const ssrc = randomInt(1, 0xffff_ffff);
    this.voice = new RoomVoice(ssrc);
    this.#roster = new RoomRoster(onFault);
    this.#forward = new RoomForward({ room: this.name, totals, log: this.#log });
    this.run = new AgentRun({
      call: attach,
      ear: this.ear,
      journal: {
        note: (note) => {
          for (const member of this.#members.values()) member.journal.note(note);
        },
        // Any of them may be the first at another core; one who is away has nothing to tell it.
        kept: async () => {
          const present = [...this.#members.values()].filter(({ seat }) => seat.link.connected);
          await Promise.allSettled(present.map(({ journal }) => journal.kept?.()));
        },
      },
      resumed: resumptionOf(attach)?.call ?? null,
      participants: this.#roster,
      audience: this.#audience(),
      agents,
      clock,
      nodeClock,
      totals,
      ssrc,
      maxSessionMs,
      log: this.#log.child({ sessionId: attach.sessionId }),
      onOver: (end) => this.#over(end),
    });
  }

  get memberCount(): number {
    return this.#members.size;
  }

  /** Whether this participant has a seat by another session. */
  hasOther({ participantId }: Speaker, sessionId: string): boolean {
    for (const { seat, speaker } of this.#members.values()) {
      if (speaker.participantId === participantId && seat.sessionId !== sessionId) return true;
    }
    return false;
  }

  /** A seat for one more caller. */
  seat(options: RoomSeatOptions): RoomMember {
    const { participantId, name } = options.attach.seat;
    const member = new RoomMember(this, { participantId, name }, options);
    const { sessionId, ear, judge } = member.seat;
    this.#members.set(sessionId, member);
    this.ear.join(sessionId, member.speaker, ear);
    if (this.#yields) judge.yields(true);
    if (this.#paused) judge.paused();
    return member;
  }

  /** The journal that a seat's POP is to have from the start: the room's, in that caller's own packets. */
  journalFor(attach: SeatedAttach): JournalState | null {
    const other = this.#members.values().next().value;
    if (other === undefined) return resumptionOf(attach)?.journal ?? null;
    return { ...other.seat.journal.state, consumed: attach.resume?.journal.consumed ?? null, messages: 0 };
  }

  /** Numbers the bindings of all seats. */
  nextBinding(): number {
    this.#bindings += 1;
    return this.#bindings;
  }

  setWay(member: RoomMember, way: WayToCaller | null): void {
    const had = this.voice.hasWay;
    this.voice.setWay(member.seat.sessionId, way);
    if (way !== null) this.run.wake();
    if (this.voice.hasWay && !had) this.run.mouth.attach((packet) => this.voice.send(packet));
    else if (had && !this.voice.hasWay) this.run.mouth.detach();
  }

  /** The POP of a member is out of reach, or reached again: the agent waits when nobody can hear it. */
  away({ seat, isAway }: RoomMember): void {
    this.ear.rest(seat.sessionId, isAway);
    if ([...this.#members.values()].every((member) => member.isAway)) this.run.rest();
  }

  /** A member came back by another POP. What the only one has missed of the agent is said again. */
  adopted(): void {
    if (this.#members.size === 1) this.run.mouth.rewind();
  }

  /** A member has a pipe, its first one or another. */
  bound(member: RoomMember): void {
    if (this.#members.get(member.seat.sessionId) !== member) return;
    if (!this.#seated.has(member)) {
      this.#seated.add(member);
      this.#roster.joined({ ...member.speaker, muted: member.muted }, member.isResumed);
    }
    this.changed();
  }

  /** What somebody sends, or by which pipe, or who there is: the POPs are told. */
  changed(): void {
    if (this.#closed) return;
    const members = [...this.#members.values()];
    const targets = new Map<PopLink, ForwardTarget>();
    // All of a POP use one pipe; while they move to another, the newest is the one that stands.
    for (const { seat, pipe } of members.toSorted((one, other) => one.boundAt - other.boundAt)) {
      if (pipe) targets.set(seat.link, { link: seat.link, open: pipe });
    }
    this.#forward.update(
      members.flatMap((member) => member.sources),
      [...targets.values()],
    );
    const data: CoreEventData<'room.members'> = {
      room: this.name,
      members: [...this.#seated].map(({ speaker, seat, muted, showsVideo }) => ({
        ...speaker,
        sessionId: seat.sessionId,
        pop: seat.link.nodeId,
        muted,
        video: showsVideo,
      })),
    };
    for (const link of new Set(members.map(({ seat }) => seat.link))) link.send('room.members', data);
  }

  muted({ speaker, seat, muted }: RoomMember): void {
    this.ear.mute(seat.sessionId, muted);
    this.#roster.mute(speaker.participantId, muted);
    this.changed();
  }

  /** To the POP of a participant: what a moderator at another one wants. One who has left meanwhile needs nothing more. */
  order(participantId: string, order: CoreEventData<'room.ordered'>['order']): void {
    for (const { speaker, seat } of this.#members.values()) {
      if (speaker.participantId !== participantId) continue;
      seat.link.send('room.ordered', { room: this.name, participantId, order });
      return;
    }
    this.#log.info({ participantId, order }, 'a moderator wants something of a participant who is not here');
  }

  /** What was heard of the agent is what the first of those has been played who hear it. */
  playedChanged(): void {
    for (const { isReady, playedTimestamp } of this.#members.values()) {
      if (!isReady) continue;
      if (playedTimestamp !== null) this.run.mouth.played(playedTimestamp);
      return;
    }
  }

  /** Resolves when the agent has closed, where it was the last one, else at once. */
  left(member: RoomMember, end: SessionEnd): Promise<void> {
    const { sessionId } = member.seat;
    if (this.#members.get(sessionId) === member) this.#members.delete(sessionId);
    if (this.#members.size === 0) return this.#close(end.reason);
    this.ear.leave(sessionId);
    this.setWay(member, null);
    if (this.#seated.delete(member)) this.#roster.left(member.speaker.participantId);
    this.playedChanged();
    // After its streams are let go.
    queueMicrotask(() => this.changed());
    return Promise.resolve();
  }

  #over(end: SessionEnd): void {
    for (const member of [...this.#members.values()]) void member.end(end, true);
  }

  #close(reason: string): Promise<void> {
    if (this.#closed) return this.#closed;
    const closed = this.run.close(reason);
    this.#closed = closed;
    this.#forward.close();
    this.ear.close();
    this.#roster.close();
    this.#log.info('a room is empty');
    this.#options.onClosed(this);
    return closed;
  }

  #audience(): Audience {
    const seats = () => [...this.#members.values()].map(({ seat }) => seat);
    return {
      event: (event) => {
        for (const member of this.#members.values()) member.event(event);
      },
      touched: (touch) => {
        for (const seat of seats()) seat.tell('session.touched', { touch });
      },
      flush: (beforeTimestamp) => {
        this.#paused = false;
        for (const seat of seats()) seat.flush(beforeTimestamp);
      },
      stretch: (stretch) => {
        for (const seat of seats()) seat.journal.note({ type: 'stretch', ...stretch });
      },
      judge: {
        yields: (on) => {
          this.#yields = on;
          for (const seat of seats()) seat.judge.yields(on);
        },
        paused: () => {
          this.#paused = true;
          for (const seat of seats()) seat.judge.paused();
        },
        resumed: () => {
          this.#paused = false;
          for (const seat of seats()) seat.judge.resumed();
        },
      },
      rttMs: () => seats()[0]?.link.rttMs() ?? null,
    };
  }
}
