import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/errors.ts';
import {
  createSessionAnswerSchema,
  grantSchema,
  participantSchema,
  signalingEvents,
} from '../../src/signaling/index.ts';
import { roomViewSchema } from '../../src/signaling/rest-protocol.ts';
import { coreRecord, popRecord } from '../support/nodes.ts';
import { FakeRoom, participant } from './support/fake-room.ts';
import { API_KEY, type Pop, type PopOptions, settle, startPop } from './support/pop.ts';

const keyed = { authorization: `Bearer ${API_KEY}` };
const RTP = { codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }] };
const core = (nodeId: string, region = 'local', sessions = 100) =>
  coreRecord({ nodeId, region, capacity: { sessions } });
const seat = (name: string, more: object = {}) => ({ agent: 'echo', room: 'meeting', name, ...more });

const post = (pop: Pop, body: object, headers: Record<string, string> = keyed) =>
  pop.rest('POST', '/v1/sessions', { body, headers });

/** A client whose call is in the room. */
async function joined(pop: Pop, name: string, more: object = {}) {
  const session = await pop.create(seat(name, more));
  const client = await pop.client();
  const answer = await client.join(session.token);
  return { session, client, answer, call: pop.edge.callOf(session.sessionId) };
}

const coreOf = (pop: Pop, sessionId: string) => pop.edge.callOf(sessionId).request.core.nodeId;

describe('a session with a room and a name', () => {
  it('takes a seat, says who its caller is, and who is there', async () => {
    const pop = await startPop();
    FakeRoom.at(pop.edge, 'meeting');
    const ann = await joined(pop, 'Ann');
    const ben = await joined(pop, 'Ben');
    expect(createSessionAnswerSchema.parse(ann.session).participantId).toMatch(/^p-[\w-]{12}$/);
    expect(ann.call.request.seat).toEqual({ participantId: ann.session.participantId, name: 'Ann' });
    expect(ben.answer.participant).toEqual({ participantId: ben.session.participantId });
    expect(ben.answer.participants?.map(({ name }) => name)).toEqual(['Ann', 'Ben']);
    expect(ben.answer.routerRtpCapabilities.codecs.map(({ kind }) => kind)).toEqual(['audio', 'video']);
  });

  it('is told who comes, changes and goes, and after a resume who is there', async () => {
    const pop = await startPop();
    const room = FakeRoom.at(pop.edge, 'meeting');
    const { call, client, answer } = await joined(pop, 'Ann');
    const ben = participant({ participantId: 'p-2', name: 'Ben' });
    call.emit('participant', 'participant-joined', ben);
    call.emit('participant', 'participant-changed', { ...ben, muted: true });
    call.emit('participant', 'participant-left', ben);
    await settle();
    const told = client.frames.filter(({ event }) => event?.startsWith('participant-'));
    expect(told.map(({ event, data }) => [event, data.muted])).toEqual([
      ['participant-joined', false],
      ['participant-changed', true],
      ['participant-left', false],
    ]);
    for (const { data } of told) expect(signalingEvents['participant-joined'].parse(data)).toEqual(data);
    client.ws.terminate();
    await settle();
    call.emit('participant', 'participant-joined', ben);
    room.participants.push(ben);
    const again = await pop.client();
    const resumed = await again.resume(answer.resumeToken);
    expect(resumed.data.participants.map(({ name }: { name: string }) => name)).toEqual(['Ann', 'Ben']);
    expect(again.events('participant-joined')).toEqual([]);
  });

  it('is a private session as ever without the name, whatever its room is called', async () => {
    const pop = await startPop();
    FakeRoom.at(pop.edge, 'meeting');
    await joined(pop, 'Ann');
    const session = await pop.create({ agent: 'front-desk', room: 'meeting' });
    const answer = await (await pop.client()).join(session.token);
    expect(session.participantId).toBeUndefined();
    expect(answer).not.toHaveProperty('participants');
    expect(answer.routerRtpCapabilities.codecs.map(({ kind }) => kind)).toEqual(['audio']);
    expect(pop.edge.callOf(session.sessionId).request.seat).toBeUndefined();
  });

  it('is refused with a name that is none, or without a room', async () => {
    const pop = await startPop();
    for (const name of ['', 'x'.repeat(65), 'A\nnn', 'A\u0000nn', 'A\u009fnn', 7]) {
      const { status, body } = await post(pop, { agent: 'echo', room: 'meeting', name });
      expect([name, status, body.error.path]).toEqual([name, 400, 'name']);
    }
    expect((await post(pop, { agent: 'echo', name: 'Ann' })).body.error).toMatchObject({ path: 'room' });
    expect((await post(pop, seat('Ανν 🙂'))).status).toBe(201);
  });
});

describe('the callers of a room', () => {
  it('are at one core, whatever placement would choose for each', async () => {
    const pop = await startPop({ nodes: [core('core-1'), core('core-2')] });
    FakeRoom.at(pop.edge, 'meeting');
    const seats = await Promise.all(['Ann', 'Ben', 'Cid', 'Dan'].map((name) => joined(pop, name)));
    const cores = new Set(seats.map(({ session }) => coreOf(pop, session.sessionId)));
    expect(cores.size).toBe(1);
    const elsewhere = await joined(pop, 'Eve', { room: 'another' });
    expect(cores).not.toContain(coreOf(pop, elsewhere.session.sessionId));
  });

  it('are at one core also when they come in by different POPs', async () => {
    const one = await startPop({ nodes: [core('core-1'), core('core-2'), popRecord()] });
    const two = await startPop({ beside: one, nodeId: 'pop-2' });
    await one.create({ agent: 'echo' });
    const [ann, ben] = await Promise.all([one.create(seat('Ann')), two.create(seat('Ben'))]);
    await Promise.all([one, two].map(async (pop, index) => (await pop.client()).join([ann, ben][index]!.token)));
    expect(coreOf(one, ann.sessionId)).toBe(coreOf(two, ben.sessionId));
    expect((await one.registry.rooms.get('meeting'))?.pops).toEqual([
      { pop: 'pop-1', seats: 1 },
      { pop: 'pop-2', seats: 1 },
    ]);
  });

  it('have one agent: another is refused with ERR_ROOM_AGENT', async () => {
    const pop = await startPop();
    await pop.create(seat('Ann'));
    const { status, body } = await post(pop, seat('Ben', { agent: 'front-desk' }));
    expect([status, body.error.code]).toEqual([409, 'ERR_ROOM_AGENT']);
    expect(body.error.message).toContain('"echo"');
  });

  it('have the same pins: a caller of another pin, or of none that this POP keeps, is refused', async () => {
    const nodes = [core('core-fra', 'eu-central-1'), core('core-iad', 'us-east-1')];
    const frankfurt = await startPop({ nodes, region: 'eu-central-1' });
    const virginia = await startPop({ beside: frankfurt, nodeId: 'pop-2', region: 'us-east-1' });
    const ann = await frankfurt.create(seat('Ann', { residency: 'eu' }));
    const refusedBy = async (pop: Pop, body: object) => (await post(pop, body)).body.error?.code;
    expect(await refusedBy(frankfurt, seat('Ben', { residency: 'us' }))).toBe('ERR_ROOM_RESIDENCY');
    expect(await refusedBy(frankfurt, seat('Ben', { residency: 'eu & de' }))).toBe('ERR_ROOM_RESIDENCY');
    expect(await refusedBy(virginia, seat('Ben'))).toBe('ERR_ROOM_RESIDENCY');
    const ben = await frankfurt.create(seat('Ben'));
    for (const { token } of [ann, ben]) await (await frankfurt.client()).join(token);
    expect(frankfurt.edge.calls.map(({ request }) => [request.core.nodeId, request.residency])).toEqual([
      ['core-fra', 'eu'],
      ['core-fra', 'eu'],
    ]);
    await virginia.create(seat('Cid', { room: 'open' }));
    expect(await refusedBy(virginia, seat('Dan', { room: 'open', residency: 'us' }))).toBe('ERR_ROOM_RESIDENCY');
    expect((await frankfurt.registry.rooms.get('meeting'))?.pops).toEqual([{ pop: 'pop-1', seats: 2 }]);
  });

  it('are no more than the limit, of all POPs together, and one who left makes room', async () => {
    const limited: PopOptions = { config: { limits: { maxRoomCallers: 2 } } };
    const one = await startPop(limited);
    const two = await startPop({ ...limited, beside: one, nodeId: 'pop-2' });
    const ann = await one.create(seat('Ann'));
    await two.create(seat('Ben'));
    const full = await post(two, seat('Cid'));
    expect([full.status, full.body.error.code, full.body.error.retryable]).toEqual([409, 'ERR_ROOM_FULL', true]);
    await one.rest('DELETE', `/v1/sessions/${ann.sessionId}`, { headers: keyed });
    await settle();
    await two.create(seat('Cid'));
  });

  it('keep the room by a lease that ends with the last of them, or with their POP', async () => {
    const pop = await startPop();
    const [ann, ben] = [await pop.create(seat('Ann')), await pop.create(seat('Ben'))];
    for (let second = 0; second < 20; second++) await pop.pass(1_000);
    expect((await pop.registry.rooms.get('meeting'))?.pops).toEqual([{ pop: 'pop-1', seats: 2 }]);
    await pop.rest('DELETE', `/v1/sessions/${ann.sessionId}`, { headers: keyed });
    await settle();
    expect((await pop.registry.rooms.get('meeting'))?.pops).toEqual([{ pop: 'pop-1', seats: 1 }]);
    await pop.rest('DELETE', `/v1/sessions/${ben.sessionId}`, { headers: keyed });
    await settle();
    expect(await pop.registry.rooms.get('meeting')).toBeNull();
  });

  it('come out at the same core when theirs is lost, also those at another POP', async () => {
    const nodes = ['core-1', 'core-2', 'core-3', 'core-4'].map((nodeId) => core(nodeId));
    const one = await startPop({ nodes });
    const two = await startPop({ beside: one, nodeId: 'pop-2' });
    FakeRoom.at(one.edge, 'meeting');
    FakeRoom.at(two.edge, 'meeting');
    const seats = [
      await joined(one, 'Ann'),
      await joined(one, 'Ben'),
      await joined(two, 'Cid'),
      await joined(two, 'Dan'),
    ];
    const lost = seats[0]!.call.request.core.nodeId;
    const next = await Promise.all(
      seats.map(({ call }) =>
        call.request.successor!({
          ...{ sessionId: call.request.sessionId, epoch: 1, reason: 'core-lost', excludedCores: [lost] },
        }),
      ),
    );
    const cores = new Set(next.map((successor) => successor.core.nodeId));
    expect(cores.size).toBe(1);
    expect(cores).not.toContain(lost);
    expect((await one.registry.rooms.get('meeting'))?.core).toBe([...cores][0]);
    expect(await one.metric('antipode_rooms_moved_total', { outcome: 'moved' })).toBe(1);
    const late = await joined(two, 'Eve');
    expect(cores).toContain(late.call.request.core.nodeId);
  });

  it('give their seat back when the session does not come about', async () => {
    const pop = await startPop({ config: { limits: { maxSessions: 1 } } });
    await pop.create(seat('Ann'));
    expect((await post(pop, seat('Ben'))).body.error.code).toBe('ERR_SESSION_LIMIT');
    expect((await post(pop, seat('Ben', { room: 'another' }))).body.error.code).toBe('ERR_SESSION_LIMIT');
    await settle();
    expect((await pop.registry.rooms.get('meeting'))?.pops).toEqual([{ pop: 'pop-1', seats: 1 }]);
    expect(await pop.registry.rooms.get('another')).toBeNull();
  });

  it('meet later ones at the core that the registry has, when that is another than theirs', async () => {
    const pop = await startPop({ nodes: [core('core-1'), core('core-2')] });
    FakeRoom.at(pop.edge, 'meeting');
    const first = (await joined(pop, 'Ann')).call.request.core.nodeId;
    const second = first === 'core-1' ? 'core-2' : 'core-1';
    const home = { core: second, agent: 'echo', residency: null };
    await pop.registry.rooms.drop('meeting', 'pop-1');
    await pop.registry.rooms.hold('meeting', { pop: 'pop-9', seats: 1, home }, 16, 60_000);
    await pop.pass(2_000);
    expect(await pop.metric('antipode_rooms_moved_total', { outcome: 'found-elsewhere' })).toBe(1);
    expect((await joined(pop, 'Ben')).call.request.core.nodeId).toBe(second);
  });

  it('keep their seats when they come back by another POP', async () => {
    const one = await startPop();
    const two = await startPop({ beside: one, nodeId: 'pop-2' });
    FakeRoom.at(one.edge, 'meeting');
    const room = FakeRoom.at(two.edge, 'meeting');
    const ann = await joined(one, 'Ann');
    const client = await two.client();
    const { data } = await client.resume(ann.answer.resumeToken, false);
    expect(data).toMatchObject({ adopted: true, participant: { participantId: ann.session.participantId } });
    const { request } = two.edge.callOf(ann.session.sessionId);
    expect(request).toMatchObject({ seat: ann.call.request.seat, adopt: true, room: 'meeting' });
    const alone = request.mover!({ sessionId: request.sessionId, reason: 'placement', from: 'core-1' });
    await expect(alone).rejects.toMatchObject({ code: 'ERR_HANDOVER_REFUSED' });
    expect(room.participants).toHaveLength(1);
    await settle();
    expect((await two.registry.rooms.get('meeting'))?.pops).toContainEqual({ pop: 'pop-2', seats: 1 });
  });

  it('go on to a third core when the second did not take them', async () => {
    const pop = await startPop({ nodes: ['core-1', 'core-2', 'core-3'].map((nodeId) => core(nodeId)) });
    FakeRoom.at(pop.edge, 'meeting');
    const { call } = await joined(pop, 'Ann');
    const first = call.request.core.nodeId;
    const ask = (epoch: number, excludedCores: string[]) =>
      call.request.successor!({ sessionId: call.request.sessionId, epoch, reason: 'core-lost', excludedCores });
    const second = await ask(1, [first]);
    const third = await ask(second.epoch, [first, second.core.nodeId]);
    expect(new Set([first, second.core.nodeId, third.core.nodeId]).size).toBe(3);
    expect((await pop.registry.rooms.get('meeting'))?.core).toBe(third.core.nodeId);
  });
});

describe('what a caller of a room may do', () => {
  it('is all but moderate, unless the request grants something else', async () => {
    const pop = await startPop({ config: { auth: { openAgents: ['echo'] } } });
    const room = FakeRoom.at(pop.edge, 'meeting');
    const ann = await joined(pop, 'Ann');
    const send = { transportId: 'send-1', rtpParameters: RTP };
    expect((await ann.client.request('produce', { ...send, kind: 'video' })).ok).toBe(true);
    expect((await ann.client.request('mute', { muted: true })).ok).toBe(true);
    expect((await ann.client.request('mute', { muted: false, participantId: ann.session.participantId })).ok).toBe(
      true,
    );
    expect(room.asked).toEqual([
      `${ann.session.participantId} mutes itself`,
      `${ann.session.participantId} unmutes itself`,
    ]);
    const ben = await joined(pop, 'Ben', { grants: ['listen'] });
    for (const [method, data] of [
      ['produce', { ...send, kind: 'video' }],
      ['produce', { ...send, kind: 'audio' }],
      ['message', { type: 'text', text: 'hello' }],
      ['mute', { muted: true, participantId: ann.session.participantId }],
      ['remove', { participantId: ann.session.participantId }],
    ] as const) {
      expect([method, (await ben.client.request(method, data)).error?.code]).toEqual([method, 'ERR_FORBIDDEN']);
    }
    const consume = {
      transportId: 'recv-1',
      rtpCapabilities: { codecs: RTP.codecs.map((one) => ({ ...one, kind: 'audio' })) },
    };
    expect((await ben.client.request('consume', { ...consume, producerId: 'a-voice' })).ok).toBe(true);
    expect(ben.call.asked).toEqual(['consume recv-1 of a-voice']);
    const anonymous = await post(pop, seat('Eve', { grants: ['listen', 'moderate'] }), {});
    expect([anonymous.status, anonymous.body.error.path]).toEqual([403, 'grants']);
  });

  it('with moderate is to mute and remove others, and never to open their microphone', async () => {
    const pop = await startPop();
    const room = FakeRoom.at(pop.edge, 'meeting');
    const ann = await joined(pop, 'Ann', { grants: ['speak', 'listen', 'moderate'] });
    const ben = await joined(pop, 'Ben');
    const { participantId } = ben.session;
    expect((await ann.client.request('mute', { muted: true, participantId })).ok).toBe(true);
    expect((await ann.client.request('mute', { muted: false, participantId })).error?.code).toBe('ERR_FORBIDDEN');
    expect((await ann.client.request('remove', { participantId })).ok).toBe(true);
    expect((await ann.client.request('remove', { participantId: 'p-nobody' })).error?.code).toBe('ERR_NOT_FOUND');
    expect(room.asked).toEqual([`mute ${participantId}`, `remove ${participantId}`]);
  });

  it('is nothing of that in a private session', async () => {
    const pop = await startPop();
    const { client } = await pop.joined();
    expect((await client.request('mute', { muted: true })).error?.code).toBe('ERR_MEDIA_STATE');
    expect((await client.request('remove', { participantId: 'p-1' })).error?.code).toBe('ERR_FORBIDDEN');
    expect((await client.request('mute', { muted: 'yes' })).error?.code).toBe('ERR_PROTOCOL_MALFORMED');
    expect((await client.request('remove', { participantId: 'x'.repeat(129) })).error?.code).toBe(
      'ERR_PROTOCOL_MALFORMED',
    );
  });
});

describe('/v1/rooms', () => {
  it('tells who is in a room, its agent and core, to holders of an API key alone', async () => {
    const pop = await startPop();
    FakeRoom.at(pop.edge, 'meeting');
    const ann = await joined(pop, 'Ann');
    const { status, body } = await pop.rest('GET', '/v1/rooms/meeting', { headers: keyed });
    expect(status).toBe(200);
    expect(roomViewSchema.parse(body)).toEqual({
      ...{ room: 'meeting', agent: 'echo', core: 'core-1', residency: null, pops: [{ pop: 'pop-1', seats: 1 }] },
      participants: [participant({ participantId: ann.session.participantId! })],
    });
    expect((await pop.rest('GET', '/v1/rooms/meeting')).status).toBe(401);
    const own = { authorization: `Bearer ${ann.answer.resumeToken}` };
    expect((await pop.rest('GET', '/v1/rooms/meeting', { headers: own })).status).toBe(401);
    expect((await pop.rest('DELETE', '/v1/rooms/meeting')).status).toBe(401);
    expect((await pop.rest('PUT', '/v1/rooms/meeting', { headers: keyed })).status).toBe(405);
    for (const path of ['nobody', 'a%20b', '%00']) {
      expect((await pop.rest('GET', `/v1/rooms/${path}`, { headers: keyed })).status).toBe(404);
    }
  });

  it('says which POPs to ask for a room that has no caller at this one', async () => {
    const one = await startPop({
      nodes: [core('core-1'), popRecord({ signalingUrl: 'wss://one.example/v1/signaling' })],
    });
    const two = await startPop({ beside: one, nodeId: 'pop-2' });
    await one.create(seat('Ann'));
    const { status, body } = await two.rest('GET', '/v1/rooms/meeting', { headers: keyed });
    expect([status, body.error.code]).toEqual([404, 'ERR_NOT_FOUND']);
    expect(body.error.message).toContain('pop-1 (https://one.example)');
  });

  it('mutes and removes participants, and ends a room for all', async () => {
    const pop = await startPop();
    const room = FakeRoom.at(pop.edge, 'meeting');
    const ann = await joined(pop, 'Ann');
    await pop.create(seat('Ben'));
    const unseated = await pop.create({ agent: 'echo', room: 'meeting' });
    room.participants.push(participant({ participantId: 'p-far', name: 'Cid', pop: 'pop-2' }));
    const of = `/v1/rooms/meeting/participants/${ann.session.participantId}`;
    expect((await pop.rest('POST', `${of}/mute`, { headers: keyed })).status).toBe(204);
    expect((await pop.rest('DELETE', of, { headers: keyed })).status).toBe(204);
    expect((await pop.rest('POST', `${of}/mute`)).status).toBe(401);
    expect((await pop.rest('POST', '/v1/rooms/meeting/participants/p-no/mute', { headers: keyed })).status).toBe(404);
    const { status, body } = await pop.rest('DELETE', '/v1/rooms/meeting', { headers: keyed });
    expect([status, body]).toEqual([200, { room: 'meeting', ended: 3 }]);
    const { participantId } = ann.session;
    expect(room.asked).toEqual([`mute ${participantId}`, `remove ${participantId}`, 'remove p-far']);
    expect((await ann.client.frame(({ event }) => event === 'session-ended')).data.code).toBe('deleted');
    const other = await pop.rest('GET', `/v1/sessions/${unseated.sessionId}`, { headers: keyed });
    expect(other.body.state).toBe('created');
  });
});

describe('docs/rooms.md', () => {
  it('names every grant and every field of a participant, and no error code that does not exist', async () => {
    const page = await readFile(new URL('../../docs/rooms.md', import.meta.url), 'utf8');
    for (const code of page.match(/ERR_[A-Z_]+[A-Z]/g) ?? []) expect(Object.keys(ERROR_CODES)).toContain(code);
    for (const word of [...grantSchema.options, ...Object.keys(participantSchema.shape)])
      expect(page).toContain(`\`${word}\``);
  });
});
