import type { Consumer, Producer } from 'mediasoup/types';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ParticipantChange, Speaker } from '../../src/agent/types.ts';
import { buildRtp, type MediaWorker, parseRtp, type RtpView } from '../../src/backbone/index.ts';
import { createOpusEncoder } from '../../src/core/opus-codec.ts';
import { RoomHost, type RoomPop, seatOf } from './support/room-host.ts';
import { type ScriptedCaller, startWorker } from './support/scripted-pop.ts';
import { concat, purity, rms, sine } from './support/tone.ts';

/** Key frames begin by this: a VP8 payload descriptor at the start of a partition, and a header without the P bit. */
const VP8_KEY_FRAME = Buffer.from('10000000009d012a', 'hex');
const VP8_SSRC = 4_711;

let workers: MediaWorker[];

beforeAll(async () => {
  workers = await Promise.all(['pop-1', 'pop-2', 'core-0', 'core-1'].map(startWorker));
}, 30_000);
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.close()));
});

describe('a room', () => {
  let core: RoomHost;
  /** Their pipes end on different workers of the core. */
  let one: RoomPop;
  let two: RoomPop;

  beforeEach(async () => {
    core = new RoomHost(workers.slice(2));
    one = await core.pop('pop-1', workers[0]!);
    two = await core.pop('pop-2', workers[1]!);
  });
  afterEach(() => core.close());

  it('has one agent for all who take a seat, and tells each POP who is there', async () => {
    await core.seat(one, 'Ann');
    await core.seat(two, 'Bob');
    await core.seat(one, 'Cid');
    await one.peer.hears('room.members', ({ members }) => members.length === 3);
    await two.peer.hears('room.members', ({ members }) => members.length === 3);
    expect(core.agents.starts).toEqual(['failing session-Ann']);
    expect(two.peer.of('room.members').at(-1)).toEqual({
      room: 'den',
      members: [
        { participantId: 'ann', name: 'Ann', sessionId: 'session-Ann', pop: 'pop-1', muted: false, video: false },
        { participantId: 'bob', name: 'Bob', sessionId: 'session-Bob', pop: 'pop-2', muted: false, video: false },
        { participantId: 'cid', name: 'Cid', sessionId: 'session-Cid', pop: 'pop-1', muted: false, video: false },
      ],
    });
    expect(core.host.sessionCount).toBe(3);
    // Another name, or none: a session of its own.
    await one.pop.caller('alone').attach('echo');
    expect(core.agents.call('session-Ann').participants?.list.map(({ name }) => name)).toEqual(['Ann', 'Bob', 'Cid']);
  });

  it('refuses another agent, another pin, a second seat of the same participant, and a seat in no room', async () => {
    await core.seat(one, 'Ann');
    const bob = () => two.pop.caller('session-Bob');
    await expect(bob().attach('echo', seatOf('Bob'))).rejects.toMatchObject({
      code: 'ERR_ROOM_AGENT',
      message: 'Room "den" has the agent "failing", not "echo".',
    });
    await expect(bob().attach('failing', { ...seatOf('Bob'), residency: 'eu' })).rejects.toMatchObject({
      code: 'ERR_ROOM_RESIDENCY',
    });
    await expect(bob().attach('failing', seatOf('Ann'))).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE' });
    await expect(bob().attach('failing', { ...seatOf('Bob'), room: '' })).rejects.toMatchObject({
      code: 'ERR_REQUEST_MALFORMED',
    });
    expect(core.host.sessionCount).toBe(1);
    await bob().attach('failing', seatOf('Bob'));
    expect(core.host.sessionCount).toBe(2);
  });

  it('ends with its last seat; one that leaves does not disturb the others', async () => {
    const [ann, bob] = [await core.seat(one, 'Ann'), await core.seat(two, 'Bob')];
    const { signal, participants } = core.agents.call('session-Ann');
    const changes: ParticipantChange[] = [];
    participants?.onChange((change) => changes.push(change));
    await two.peer.hears('room.members', ({ members }) => members.length === 2);
    await leave(one, ann);
    await two.peer.hears('room.members', ({ members }) => members[0]?.name === 'Bob');
    expect(signal.aborted).toBe(false);
    expect(changes.at(-1)).toEqual({
      type: 'left',
      participant: { participantId: 'ann', name: 'Ann', muted: false },
    });
    // He hears the agent on.
    const mouth = core.agents.call('session-Ann').mouth;
    const utterance = mouth.open();
    mouth.write(utterance, sine(440, 16_000, 1_600), 16_000);
    await bob.hears(3);
    await leave(two, bob);
    expect(signal.aborted).toBe(true);
    expect(core.agents.closed).toEqual(['session-Ann']);
    expect(core.host.sessionCount).toBe(0);
    // The next one begins anew, with an agent of their choice.
    await core.seat(one, 'Eve', 'echo');
    expect(core.agents.starts).toEqual(['failing session-Ann', 'echo session-Eve']);
  });

  it('ends for all when the agent hangs up', async () => {
    await core.seat(one, 'Ann');
    await core.seat(two, 'Bob');
    core.agents.call('session-Ann').hangUp({ code: 'agent-hung-up', reason: 'Good night.' });
    const end = { code: 'agent-hung-up', reason: 'Good night.' };
    expect(one.peer.of('session.ended')).toEqual([{ sessionId: 'session-Ann', epoch: 1, end }]);
    expect(two.peer.of('session.ended')).toEqual([{ sessionId: 'session-Bob', epoch: 1, end }]);
    expect(core.host.sessionCount).toBe(0);
  });

  it("brings the agent's voice to every seat: the same packets, once for each POP", async () => {
    const callers = [await core.seat(one, 'Ann'), await core.seat(one, 'Bob'), await core.seat(two, 'Cid')];
    const [ann, bob, cid] = callers as [ScriptedCaller, ScriptedCaller, ScriptedCaller];
    expect(bob.downlink).toEqual(ann.downlink);
    expect(cid.downlink).not.toEqual(ann.downlink);
    // A stream that a caller is told of is received a moment later.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { mouth } = core.agents.call('session-Ann');
    const utterance = mouth.open();
    mouth.write(utterance, sine(440, 16_000, 16_000), 16_000);
    mouth.finish(utterance);
    await Promise.all(callers.map((caller) => caller.hears(50)));
    const payloads = callers.map(({ heard }) => heard.slice(0, 50).map(({ payload }) => payload.toString('hex')));
    expect(payloads[1]).toEqual(payloads[0]);
    expect(payloads[2]).toEqual(payloads[0]);
    const first = one.peer.of('session.flush').length;
    mouth.flush();
    expect(one.peer.of('session.flush').slice(first)).toHaveLength(2);
    expect(two.peer.of('session.flush')).toHaveLength(1);
  });

  it('believes the first seat about what was played, and the next one when that leaves', async () => {
    // Somebody who does not hear yet counts for nothing.
    const eve = one.pop.caller('session-Eve');
    await eve.attach('failing', seatOf('Eve'));
    const [ann, bob] = [await core.seat(one, 'Ann'), await core.seat(two, 'Bob')];
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { mouth } = core.agents.call('session-Eve');
    const utterance = mouth.open();
    mouth.write(utterance, sine(440, 16_000, 3_200), 16_000);
    mouth.finish(utterance);
    await Promise.all([ann.hears(10), bob.hears(10)]);
    const start = ann.heard[0]!.timestamp;
    const played = (pop: RoomPop, caller: ScriptedCaller, frames: number) =>
      core.host.event(pop.peer, 'session.played', { ...caller.name, timestamp: (start + 960 * frames) >>> 0, frames });
    played(one, eve, 9);
    played(two, bob, 7);
    expect(mouth.heard(utterance).playedMs).toBe(0);
    played(one, ann, 3);
    expect(mouth.heard(utterance).playedMs).toBe(60);
    await leave(one, ann);
    expect(mouth.heard(utterance).playedMs).toBe(140);
  });

  it('lets the agent hear two who talk at once one after the other, with their names', async () => {
    const [ann, bob] = [await core.seat(one, 'Ann'), await core.seat(two, 'Bob')];
    const heard = new Map<string, Int16Array[]>();
    const order: string[] = [];
    let whole = () => {};
    const done = new Promise<void>((resolve) => {
      whole = resolve;
    });
    core.agents.call('session-Ann').ear.onFrame(({ pcm, speaker }) => {
      if (rms(pcm) < 1_000) return;
      const name = speaker?.name ?? '?';
      if (order.at(-1) !== name) order.push(name);
      heard.set(name, [...(heard.get(name) ?? []), pcm]);
      if (name === 'Bob' && heard.get('Bob')!.length >= 50) whole();
    });
    await speak([
      { caller: ann, hz: 440, frames: 50, afterFrames: 0 },
      { caller: bob, hz: 880, frames: 50, afterFrames: 10 },
    ]);
    await done;
    expect(order).toEqual(['Ann', 'Bob']);
    const [anns, bobs] = ['Ann', 'Bob'].map((name) => concat(heard.get(name)!)) as [Int16Array, Int16Array];
    expect(anns.length / 320).toBeGreaterThanOrEqual(49);
    expect(purity(anns.subarray(3_200, 12_800), 440, 16_000)).toBeGreaterThan(0.9);
    expect(purity(bobs.subarray(3_200, 12_800), 880, 16_000)).toBeGreaterThan(0.9);
  });

  it('does not let the agent hear who is muted, and tells of it', async () => {
    const [ann, bob] = [await core.seat(one, 'Ann'), await core.seat(two, 'Bob')];
    await one.peer.hears('room.members', ({ members }) => members.length === 2);
    const call = core.agents.call('session-Ann');
    const changes: string[] = [];
    call.participants?.onChange(({ type, participant }) => changes.push(`${participant.name} ${type}`));
    core.host.event(two.peer, 'session.muted', { ...bob.name, muted: true });
    const names = new Set<string>();
    call.ear.onFrame(({ pcm, speaker }) => {
      if (rms(pcm) > 1_000) names.add(speaker!.name);
    });
    await speak([
      { caller: bob, hz: 880, frames: 50, afterFrames: 0 },
      { caller: ann, hz: 440, frames: 20, afterFrames: 30 },
    ]);
    expect([...names]).toEqual(['Ann']);
    expect(changes).toEqual(['Bob muted']);
    expect(
      one.peer
        .of('room.members')
        .at(-1)
        ?.members.map(({ muted }) => muted),
    ).toEqual([false, true]);
    // Of another POP, or for nobody, it is counted and nothing more.
    core.host.event(one.peer, 'session.muted', { ...bob.name, muted: false });
    core.host.event(one.peer, 'session.muted', { sessionId: 'nobody', epoch: 1, muted: false });
    expect(core.metrics.totals.staleMessages).toBe(2);
    expect(call.participants?.list.map(({ muted }) => muted)).toEqual([false, true]);
  });

  it('tells the agent who a message is from', async () => {
    const [ann, bob] = [await core.seat(one, 'Ann'), await core.seat(two, 'Bob')];
    const from: (Speaker | undefined)[] = [];
    core.agents.call('session-Ann').onMessage((_message, speaker) => from.push(speaker));
    const message = { type: 'text', text: 'hello' } as const;
    core.host.event(two.peer, 'session.message', { ...bob.name, message });
    core.host.event(two.peer, 'session.message', { ...bob.name, message });
    core.host.event(one.peer, 'session.message', { ...ann.name, message });
    expect(from.map((speaker) => speaker?.name)).toEqual(['Bob', 'Bob', 'Ann']);
    // Each POP knows how many of its own caller's were given.
    const given = async ({ peer }: RoomPop, count: number) =>
      peer.hears('session.journal', ({ notes }) =>
        notes.some((note) => note.type === 'messages' && note.given === count),
      );
    await given(two, 2);
    await given(one, 1);
  });

  it("carries a caller's voice to the other POPs, once each, and not to their own", async () => {
    const ann = await core.seat(one, 'Ann');
    await core.seat(one, 'Bob');
    await core.seat(two, 'Cid');
    await core.seat(two, 'Dan');
    const told = await two.peer.hears('room.stream', ({ participantId }) => participantId === 'ann');
    expect(told).toMatchObject({ room: 'den', kind: 'audio', pipeId: two.pop.pipeId });
    await one.peer.hears('room.stream', ({ participantId }) => participantId === 'dan');
    const streams = (pop: RoomPop) => pop.peer.of('room.stream').map(({ participantId }) => participantId);
    expect(streams(two).sort()).toEqual(['ann', 'bob']);
    expect(streams(one).sort()).toEqual(['cid', 'dan']);

    const heard = await listen(two, told.kind === 'audio' ? await two.pop.pipe.receive(told.stream) : null);
    const encoder = await createOpusEncoder({ sampleRate: 16_000 });
    const sent = Array.from({ length: 30 }, (_, frame) =>
      Buffer.from(encoder.encode(sine(440, 16_000, 320, frame * 320))),
    );
    encoder.close();
    for (const payload of sent) ann.speak(payload);
    await heard.until(30);
    expect(heard.views.map(({ payload }) => payload.toString('hex'))).toEqual(sent.map((one) => one.toString('hex')));

    await leave(one, ann);
    await two.peer.hears('room.stream-closed', ({ participantId }) => participantId === 'ann');
    expect(two.peer.of('room.stream-closed')).toHaveLength(1);
    expect(one.peer.of('room.stream-closed')).toEqual([]);
  });

  it('carries video to the other POP, and a request for a key frame back to its sender', async () => {
    const ann = await core.seat(one, 'Ann');
    await core.seat(two, 'Bob');
    const { direct } = one.pop.worker;
    const camera = await direct.produce({ kind: 'video', rtpParameters: vp8() });
    const requests: { type: number; ssrc: number }[] = [];
    const requested = new Promise<void>((resolve) => {
      direct.on('rtcp', (packet: Buffer) => {
        // Payload-specific feedback (RFC 4585, section 6.1): its kind, and whose media it is about.
        if (packet[1] !== 206) return;
        requests.push({ type: packet[0]! & 0x1f, ssrc: packet.readUInt32BE(8) });
        resolve();
      });
    });
    const sent = await one.pop.pipe.sendVideo(camera);
    await one.pop.ask('room.publish', {
      ...ann.name,
      pipeId: one.pop.pipeId,
      kind: 'video',
      stream: sent.stream,
    });
    const told = await two.peer.hears('room.stream', ({ kind }) => kind === 'video');
    if (told.kind !== 'video') throw new Error('no video');
    expect(told).toMatchObject({ participantId: 'ann', stream: { codec: 'VP8' } });
    await two.peer.hears('room.members', ({ members }) => members.find(({ name }) => name === 'Ann')?.video === true);
    const heard = await listen(two, await two.pop.pipe.receiveVideo(told.stream));

    // A worker knows whom to ask once it has had a packet.
    sendFrame(camera, 0);
    await heard.until(1);
    expect(requests).toEqual([]);
    await heard.consumer.requestKeyFrame();
    await requested;
    expect(requests[0]).toEqual({ type: 1, ssrc: VP8_SSRC });
    for (let frame = 1; frame <= 5; frame++) sendFrame(camera, frame);
    await heard.until(6);
    expect(heard.views.at(-1)?.payload.subarray(0, VP8_KEY_FRAME.length)).toEqual(VP8_KEY_FRAME);

    await one.pop.ask('room.unpublish', { ...ann.name, kind: 'video' });
    await two.peer.hears('room.stream-closed', ({ kind }) => kind === 'video');
    expect(two.peer.of('room.members').at(-1)?.members[0]).toMatchObject({ name: 'Ann', video: false });
    camera.close();
  });

  it('refuses video of a session without a room', async () => {
    const alone = one.pop.caller('alone');
    await alone.attach('failing');
    const stream = { producerId: 'p', codec: 'VP8' as const, encodings: [{ ssrc: 1, rtxSsrc: 2 }] };
    const data = { ...alone.name, pipeId: one.pop.pipeId, kind: 'video' as const, stream };
    await expect(one.pop.ask('room.publish', data)).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE' });
    await expect(one.pop.ask('room.publish', { ...data, sessionId: 'nobody' })).rejects.toMatchObject({
      code: 'ERR_SESSION_UNKNOWN',
    });
  });

  it('leaves no stream behind of those who went', async () => {
    const streams = async () => {
      const dumps = await Promise.all(workers.slice(2).map(({ router }) => router.dump()));
      return dumps.map(({ mapConsumerIdProducerId }) => mapConsumerIdProducerId.length);
    };
    await core.seat(one, 'Ann');
    const alone = await streams();
    const bob = await core.seat(two, 'Bob');
    await two.peer.hears('room.stream');
    await one.peer.hears('room.stream');
    // What each says, between the core's workers and to the other POP; and Bob's own ear and the agent's voice to him.
    expect((await streams()).reduce((sum, count) => sum + count)).toBe(alone.reduce((sum, count) => sum + count) + 6);
    await leave(two, bob);
    await expect.poll(streams).toEqual(alone);
  });

  it('forwards anew over a new pipe', async () => {
    const ann = await core.seat(one, 'Ann');
    const bob = await core.seat(two, 'Bob');
    await two.peer.hears('room.stream');
    const former = two.pop.pipeId;
    await two.pop.openPipe();
    await bob.repipe();
    const told = await two.peer.hears('room.stream', ({ pipeId }) => pipeId !== former);
    expect(told).toMatchObject({ participantId: 'ann', pipeId: two.pop.pipeId });
    const heard = await listen(two, told.kind === 'audio' ? await two.pop.pipe.receive(told.stream) : null);
    ann.speak(Buffer.from([0x48, 0, 1]));
    await heard.until(1);
    // What he says comes by another stream now.
    await one.peer.hears('room.stream-closed', ({ participantId }) => participantId === 'bob');
    expect(one.peer.of('room.stream')).toHaveLength(2);
  });

  it('goes on without a POP that is lost, and takes its caller back by another one', async () => {
    await core.seat(one, 'Ann');
    await core.seat(two, 'Bob');
    await two.peer.hears('room.stream', ({ participantId }) => participantId === 'ann');
    const call = core.agents.call('session-Ann');
    core.host.peerClosed(one.peer);
    // Time goes on by Bob's silence, though Ann had the floor.
    await new Promise<void>((resolve) => {
      let frames = 0;
      call.ear.onFrame(({ speaker }) => {
        if (speaker?.name === 'Bob' && ++frames === 10) resolve();
      });
    });
    const back = two.pop.caller('session-Ann', 2);
    await back.attach('failing', { ...seatOf('Ann'), adopt: true });
    await back.ready();
    expect(one.peer.of('session.ended')).toEqual([]);
    await two.peer.hears('room.members', ({ members }) => members.every(({ pop }) => pop === 'pop-2'));
    // They are at one POP now, where they hear each other without the core.
    await two.peer.hears('room.stream-closed', ({ participantId }) => participantId === 'ann');
    expect(call.participants?.list.map(({ name }) => name)).toEqual(['Ann', 'Bob']);
    expect(core.agents.starts).toHaveLength(1);
    const names = new Set<string>();
    call.ear.onFrame(({ pcm, speaker }) => {
      if (rms(pcm) > 1_000) names.add(speaker!.name);
    });
    await speak([{ caller: back, hz: 440, frames: 30, afterFrames: 0 }]);
    expect([...names]).toEqual(['Ann']);
    call.mouth.write(call.mouth.open(), sine(440, 16_000, 1_600), 16_000);
    await back.hears(3);
  });

  it('gives a seat that comes later the whole journal, in numbers of its own', async () => {
    const ann = await core.seat(one, 'Ann');
    const { journal, ear } = core.agents.call('session-Ann');
    const encoder = await createOpusEncoder({ sampleRate: 16_000 });
    const heardTo = new Promise<number>((resolve) => {
      let frames = 0;
      ear.onFrame(({ position, origin }) => {
        if (origin === 'received' && ++frames === 10) resolve(position + 320);
      });
    });
    for (let frame = 0; frame < 10; frame++) ann.speak(encoder.encode(sine(440, 16_000, 320, frame * 320)));
    encoder.close();
    const position = await heardTo;
    const entry = { role: 'caller', turn: 0, text: 'hello', speaker: { participantId: 'ann', name: 'Ann' } } as const;
    journal?.note({ type: 'context', change: { at: 0, removed: 0, added: [entry] } });
    journal?.note({ type: 'heard', turn: 0, position });
    await core.seat(two, 'Bob');
    const first = await two.peer.hears('session.journal');
    expect(first).toMatchObject({ sessionId: 'session-Bob', from: 1, restart: true });
    expect(first.notes).toEqual([
      { type: 'context', change: { at: 0, removed: 0, added: [entry] } },
      { type: 'heard', turn: 0, packet: null },
    ]);
    const heard = await one.peer.hears('session.journal', ({ notes }) => notes.some(({ type }) => type === 'heard'));
    expect(heard.notes.at(-1)).toEqual({ type: 'heard', turn: 0, packet: 9 });
    journal?.note({ type: 'reply-over', turn: 0 });
    await two.peer.hears('session.journal', ({ notes }) => notes.some(({ type }) => type === 'reply-over'));
    await one.peer.hears('session.journal', ({ notes }) => notes.some(({ type }) => type === 'reply-over'));
  });

  it('goes on after another core with the first seat that comes, and hears what the next one said meanwhile', async () => {
    const said = { role: 'caller', turn: 0, text: 'hello', speaker: { participantId: 'ann', name: 'Ann' } } as const;
    const journal = {
      ...{ context: [said], consumed: null, heardTurn: 0, answeredTurn: -1, messages: 0, reply: null, script: null },
    };
    const resume = { journal, playedTimestamp: null };
    const ann = one.pop.caller('session-Ann', 2);
    await ann.attach('failing', { ...seatOf('Ann'), resume });
    // It listens from the first packet on, before anybody hears it.
    const call = core.agents.call('session-Ann');
    expect(call.resumed?.unanswered).toEqual({ turn: 0, text: 'hello', speaker: said.speaker });
    const changes: string[] = [];
    call.participants?.onChange(({ type, participant }) => changes.push(`${participant.name} ${type}`));
    const names: string[] = [];
    const heardBob = new Promise<void>((resolve) => {
      call.ear.onFrame(({ pcm, speaker }) => {
        if (rms(pcm) < 1_000) return;
        names.push(speaker!.name);
        if (names.length === 50) resolve();
      });
    });
    const bob = two.pop.caller('session-Bob', 2);
    await bob.attach('failing', { ...seatOf('Bob'), resume });
    const encoder = await createOpusEncoder({ sampleRate: 16_000 });
    for (let frame = 0; frame < 51; frame++) bob.speak(encoder.encode(sine(880, 16_000, 320, frame * 320)));
    encoder.close();
    await heardBob;
    expect(new Set(names)).toEqual(new Set(['Bob']));
    expect(core.agents.starts).toEqual(['failing session-Ann']);
    await one.peer.hears('room.members', ({ members }) => members.length === 2);
    expect(changes).toEqual(['Bob returned']);
    // What is heard again is not forwarded: only from when he hears and speaks live.
    expect(one.peer.of('room.stream')).toEqual([]);
    await ann.ready();
    await bob.ready();
    await one.peer.hears('room.stream', ({ participantId }) => participantId === 'bob');
  });
});

async function leave({ pop }: RoomPop, caller: ScriptedCaller): Promise<void> {
  await pop.ask('session.detach', { ...caller.name, end: { code: 'caller-left', reason: 'Bye.' } });
}

interface Speech {
  caller: ScriptedCaller;
  hz: number;
  frames: number;
  afterFrames: number;
}

/** All speak in real time, each a tone that begins after the others' by so many frames. */
async function speak(speeches: readonly Speech[]): Promise<void> {
  const encoders = await Promise.all(speeches.map(() => createOpusEncoder({ sampleRate: 16_000 })));
  const last = Math.max(...speeches.map(({ frames, afterFrames }) => frames + afterFrames));
  const startedAt = performance.now();
  for (let frame = 0; frame < last; frame++) {
    for (const [index, { caller, hz, frames, afterFrames }] of speeches.entries()) {
      const own = frame - afterFrames;
      if (own < 0 || own >= frames) continue;
      caller.speak(encoders[index]!.encode(sine(hz, 16_000, 320, own * 320)));
    }
    const waitMs = startedAt + (frame + 1) * 20 - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  for (const encoder of encoders) encoder.close();
}

interface Listening {
  consumer: Consumer;
  views: RtpView[];
  until(count: number): Promise<void>;
}

/** What arrives of a producer at a POP. */
async function listen({ pop }: RoomPop, producer: Producer | null): Promise<Listening> {
  const { direct, router } = pop.worker;
  const consumer = await direct.consume({ producerId: producer!.id, rtpCapabilities: router.rtpCapabilities });
  const views: RtpView[] = [];
  let wake = () => {};
  consumer.on('rtp', (packet) => {
    views.push(parseRtp(packet)!);
    wake();
  });
  return {
    consumer,
    views,
    async until(count) {
      while (views.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

function vp8() {
  return {
    codecs: [
      {
        mimeType: 'video/VP8',
        payloadType: 101,
        clockRate: 90_000,
        rtcpFeedback: [{ type: 'nack', parameter: 'pli' }],
      },
    ],
    encodings: [{ ssrc: VP8_SSRC }],
  };
}

function sendFrame(camera: Producer, number: number): void {
  camera.send(
    buildRtp({
      payloadType: 101,
      marker: true,
      sequenceNumber: number & 0xffff,
      timestamp: (number * 3_000) >>> 0,
      ssrc: VP8_SSRC,
      payload: Buffer.concat([VP8_KEY_FRAME, Buffer.alloc(200)]),
      numbered: false,
    }),
  );
}
