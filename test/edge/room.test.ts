/** Callers of one room at one POP: real WebRTC, real workers and pipes, and a scripted core. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  buildRtp,
  type DevelopmentCa,
  opusProducerParameters,
  PIPE_OPUS_PAYLOAD_TYPE,
  parseRtp,
} from '../../src/backbone/index.ts';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { Edge, type EdgeCall, type Participant, type RoomNotice } from '../../src/edge/index.ts';
import { AntipodeError } from '../../src/errors.ts';
import { createMetrics, type Registry, silentLogger } from '../../src/telemetry/index.ts';
import { temporaryCa } from '../backbone/support/control.ts';
import { metricValue, workerBin } from '../backbone/support/workers.ts';
import { ScriptedCore } from '../support/scripted-core.ts';
import { WebRtcCaller } from '../support/web-rtc-caller.ts';

const END = { code: 'node-shutdown', reason: 'The test is over.' } as const;
const VP8 = {
  codecs: [
    {
      mimeType: 'video/VP8',
      payloadType: 96,
      clockRate: 90_000,
      parameters: {},
      rtcpFeedback: [{ type: 'nack', parameter: 'pli' }],
    },
    { mimeType: 'video/rtx', payloadType: 97, clockRate: 90_000, parameters: { apt: 96 } },
  ],
  encodings: [{ ssrc: 5_001, rtx: { ssrc: 5_002 } }],
};
const OPUS = {
  codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2, parameters: {} }],
  encodings: [{ ssrc: 1_234 }],
};
const POLL = { timeout: 15_000, interval: 20 };

// Real processes on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

interface Seated {
  call: EdgeCall;
  id: string;
  told: [RoomNotice, Participant][];
}

let ca: DevelopmentCa;
let core: ScriptedCore;
let edge: Edge;
let metrics: Registry;
let callers: WebRtcCaller[];

beforeEach(async () => {
  ca = await temporaryCa();
  core = await ScriptedCore.start(ca);
  metrics = createMetrics({ processMetrics: false });
  edge = await Edge.start({
    config: configSchema.parse({ edge: { mediaPort: 0, workers: 2 } }),
    nodeId: 'pop-1',
    identity: await ca.issue({ nodeId: 'pop-1', role: 'pop' }),
    clock: systemClock,
    log: silentLogger,
    metrics,
    workerBin: workerBin(),
  });
  callers = [];
});

afterEach(async () => {
  await Promise.all(callers.map((caller) => caller.kill()));
  await edge.close(END);
  await core[Symbol.asyncDispose]();
});

/** `name` takes a seat; its session is `s-name`, its participant `p-name`. */
async function enter(name: string, room = 'meeting'): Promise<Seated> {
  const id = `p-${name}`;
  const call = await edge.openCall({
    ...{ sessionId: `s-${name}`, epoch: 1, room, agent: 'echo', residency: null, confinement: null, metadata: {} },
    ...{ seat: { participantId: id, name }, core: core.address },
  });
  const told: Seated['told'] = [];
  call.on('participant', (...notice) => told.push(notice));
  return { call, id, told };
}

async function talk({ call }: Seated, hz: number): Promise<WebRtcCaller> {
  const caller = await WebRtcCaller.connect(call, edge.roomRtpCapabilities, hz);
  callers.push(caller);
  return caller;
}

const seen = ({ call }: Seated, id: string) => call.room!.participants.find((one) => one.participantId === id);
const names = ({ told }: Seated) => told.map(([notice, { name }]) => `${notice} ${name}`);

test('callers hear each other, and not themselves, without the core', async () => {
  const [ann, ben] = [await enter('Ann'), await enter('Ben')];
  const [annTalks, benTalks] = [await talk(ann, 500), await talk(ben, 900)];
  await expect.poll(() => seen(ann, 'p-Ben')?.audio ?? null, POLL).not.toBeNull();
  const [annVoice, benVoice] = [seen(ben, 'p-Ann')!.audio!, seen(ann, 'p-Ben')!.audio!];
  await Promise.all([annTalks.listenTo(benVoice), benTalks.listenTo(annVoice)]);
  await expect.poll(async () => (await annTalks.heard(benVoice)).hz, POLL).toBeGreaterThan(880);
  expect((await annTalks.heard(benVoice)).hz).toBeLessThan(920);
  await expect.poll(async () => (await benTalks.heard(annVoice)).hz, POLL).toBeGreaterThan(480);
  expect((await benTalks.heard(annVoice)).hz).toBeLessThan(520);
  const { recvTransport } = ann.call.offer();
  const consume = (producerId: string) =>
    ann.call.consume(recvTransport.transportId, edge.roomRtpCapabilities, producerId);
  await expect(consume(annVoice)).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE' });
  await expect(consume(benVoice)).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE' });
  expect(core.session('s-Ann').attach).toMatchObject({
    room: 'meeting',
    seat: { participantId: 'p-Ann', name: 'Ann' },
  });
});

test('all of a room are on one worker with one pipe, whoever else there is', async () => {
  const [ann] = [await enter('Ann'), await enter('Ben'), await enter('Cid', 'elsewhere')];
  const onOther = edge.call('s-Cid')!.worker;
  expect(edge.call('s-Ben')!.worker).toBe(ann.call.worker);
  expect(onOther).not.toBe(ann.call.worker);
  expect(core.session('s-Ann').attach.pipeId).toBe(core.session('s-Ben').attach.pipeId);
  expect((await edge.stats()).rooms).toMatchObject([
    { name: 'meeting', worker: ann.call.worker.name, seats: 2, participants: 2 },
    { name: 'elsewhere', worker: onOther.name, seats: 1 },
  ]);
});

test('one who left is gone at once, and not back for a moment until the core has heard of it', async () => {
  const [ann, ben] = [await enter('Ann'), await enter('Ben')];
  const of = { pop: 'pop-1', muted: false, video: false };
  const members = ['Ann', 'Ben'].map((name) => ({ ...of, participantId: `p-${name}`, name, sessionId: `s-${name}` }));
  const cid = { ...of, participantId: 'p-Cid', name: 'Cid', sessionId: 's-Cid', pop: 'pop-2' };
  core.tellRoom('room.members', { room: 'meeting', members: [...members, cid] });
  await expect.poll(() => names(ann), POLL).toContain('participant-joined Cid');
  await ben.call.close({ code: 'caller-left', reason: 'Bye.' });
  core.tellRoom('room.members', { room: 'meeting', members: [members[0]!] });
  await expect.poll(() => names(ann).at(-1), POLL).toBe('participant-left Cid');
  expect(names(ann).filter((line) => line.endsWith('Ben'))).toEqual(['participant-joined Ben', 'participant-left Ben']);
});

test('nobody may listen to a call that is not of the room', async () => {
  const [ann, ben, cid] = [await enter('Ann'), await enter('Ben', 'elsewhere'), await enter('Cid', 'elsewhere')];
  const produce = ({ call }: Seated) => call.produce(call.offer().sendTransport.transportId, OPUS);
  const { producerId } = await produce(ben);
  const consume = ({ call }: Seated) =>
    call.consume(call.offer().recvTransport.transportId, edge.roomRtpCapabilities, producerId);
  await expect(consume(ann)).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE', path: 'data.producerId' });
  expect(await consume(cid)).toMatchObject({ producerId, kind: 'audio' });
  const alone = await edge.openCall({
    ...{ sessionId: 's-alone', epoch: 1, room: 'elsewhere', agent: 'echo', residency: null, confinement: null },
    ...{ metadata: {}, core: core.address },
  });
  expect(alone.room).toBeNull();
  await expect(
    alone.consume(alone.offer().recvTransport.transportId, edge.roomRtpCapabilities, producerId),
  ).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE' });
});

test('who comes, speaks and leaves is told to the others, with the name', async () => {
  const ann = await enter('Ann');
  const ben = await enter('Ben');
  expect(names(ann)).toEqual(['participant-joined Ben']);
  expect(ben.call.room!.participants.map(({ name }) => name)).toEqual(['Ann', 'Ben']);
  await talk(ben, 700);
  await expect.poll(() => ann.told.some(([, { speaking }]) => speaking), POLL).toBe(true);
  await ben.call.close({ code: 'caller-left', reason: 'Bye.' });
  expect(ann.told.at(-1)).toMatchObject(['participant-left', { name: 'Ben', speaking: false, audio: null }]);
  expect(names(ben)).not.toContain('participant-left Ben');
  expect(await metricValue(metrics, 'antipode_edge_room_seats', {})).toBe(1);
  await ann.call.close({ code: 'caller-left', reason: 'Bye.' });
  expect(edge.room('meeting')).toBeUndefined();
  expect(await metricValue(metrics, 'antipode_edge_rooms', {})).toBe(0);
});

test('a muted caller is heard by nobody: not by the others, not by the core, and again afterwards', async () => {
  const [ann, ben] = [await enter('Ann'), await enter('Ben')];
  const [, benTalks] = [await talk(ann, 500), await talk(ben, 900)];
  await expect.poll(() => seen(ben, 'p-Ann')?.audio ?? null, POLL).not.toBeNull();
  const voice = seen(ben, 'p-Ann')!.audio!;
  await benTalks.listenTo(voice);
  await expect.poll(async () => (await benTalks.heard(voice)).rms, POLL).toBeGreaterThan(1_000);
  await ann.call.room!.mute(true);
  expect(seen(ben, 'p-Ann')).toMatchObject({ muted: true, speaking: false });
  await expect.poll(async () => (await benTalks.heard(voice)).rms, POLL).toBeLessThan(50);
  const { heard } = core.session('s-Ann');
  const before = heard.length;
  const taken = ann.call.stats().uplink.received;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(ann.call.stats().uplink.received).toBe(taken);
  expect(heard.length - before).toBeLessThan(3);
  await ann.call.room!.mute(false);
  await expect.poll(async () => (await benTalks.heard(voice)).rms, POLL).toBeGreaterThan(1_000);
  expect(core.session('s-Ann').muted).toEqual([true, false]);
});

test('a caller who is muted before it sends is muted when it does', async () => {
  const [ann, ben] = [await enter('Ann'), await enter('Ben')];
  await ann.call.room!.mute(true);
  await talk(ann, 500);
  await expect.poll(() => seen(ben, 'p-Ann')?.audio ?? null, POLL).not.toBeNull();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(ann.call.stats().uplink.received).toBe(0);
});

test('a moderator mutes and removes others here, and has the core do it elsewhere', async () => {
  const [ann, ben] = [await enter('Ann'), await enter('Ben')];
  const cid = { participantId: 'p-Cid', name: 'Cid', sessionId: 's-Cid', pop: 'pop-2', muted: false, video: false };
  core.tellRoom('room.members', { room: 'meeting', members: [cid] });
  await expect.poll(() => names(ann), POLL).toContain('participant-joined Cid');
  await ann.call.room!.muteOther('p-Ben');
  expect(seen(ann, 'p-Ben')?.muted).toBe(true);
  const orders = () => [...core.sessions.values()].flatMap((session) => session.orders);
  const said = () => [...new Set(orders().map(({ participantId, order }) => `${order} ${participantId}`))];
  const muting = ann.call.room!.muteOther('p-Cid');
  await expect.poll(said, POLL).toEqual(['mute p-Cid']);
  core.tellRoom('room.members', { room: 'meeting', members: [{ ...cid, muted: true }] });
  await muting;
  const removing = ann.call.room!.remove('p-Cid');
  await expect.poll(said, POLL).toEqual(['mute p-Cid', 'remove p-Cid']);
  // The core did not know it then: it is told again.
  const times = orders().length;
  core.tellRoom('room.members', { room: 'meeting', members: [{ ...cid, muted: true }] });
  await expect.poll(() => orders().length, POLL).toBeGreaterThan(times);
  core.tellRoom('room.members', { room: 'meeting', members: [] });
  await removing;
  const ended = new Promise((resolve) => ben.call.once('ended', resolve));
  await ann.call.room!.remove('p-Ben');
  expect(await ended).toMatchObject({ code: 'deleted' });
  await expect(ann.call.room!.remove('p-Ben')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
});

test('an order of a moderator at another POP comes by the core', async () => {
  const [ann, ben] = [await enter('Ann'), await enter('Ben')];
  core.tellRoom('room.ordered', { room: 'meeting', participantId: 'p-Ann', order: 'mute' });
  await expect.poll(() => seen(ben, 'p-Ann')?.muted, POLL).toBe(true);
  const ended = new Promise((resolve) => ann.call.once('ended', resolve));
  core.tellRoom('room.ordered', { room: 'meeting', participantId: 'p-Ann', order: 'remove' });
  core.tellRoom('room.ordered', { room: 'meeting', participantId: 'nobody', order: 'remove' });
  core.tellRoom('room.members', { room: 'no such room', members: [] });
  expect(await ended).toMatchObject({ code: 'deleted' });
  await expect.poll(() => metricValue(metrics, 'antipode_edge_room_ignored_total', { what: 'room' }), POLL).toBe(1);
});

test('a participant at another POP is heard over the pipe, tells that it speaks, and leaves', async () => {
  const ann = await enter('Ann');
  const annTalks = await talk(ann, 500);
  const pipe = core.pipes.get(core.session('s-Ann').attach.pipeId)!;
  const producer = await core.worker.direct.produce({ kind: 'audio', rtpParameters: opusProducerParameters(99) });
  const { stream } = await pipe.send(producer);
  const cid = { participantId: 'p-Cid', name: 'Cid', sessionId: 's-Cid', pop: 'pop-2', muted: false, video: false };
  core.tellRoom('room.members', { room: 'meeting', members: [cid] });
  core.tellRoom('room.stream', { room: 'meeting', participantId: 'p-Cid', kind: 'audio', pipeId: pipe.pipeId, stream });
  await expect.poll(() => seen(ann, 'p-Cid')?.audio ?? null, POLL).not.toBeNull();
  const voice = seen(ann, 'p-Cid')!.audio!;
  await annTalks.listenTo(voice);
  let sequenceNumber = 1;
  const silence = Buffer.from([0xf8, 0xff, 0xfe]);
  const talking = setInterval(() => {
    const numbers = { sequenceNumber: sequenceNumber++, timestamp: sequenceNumber * 960, marker: false, ssrc: 99 };
    producer.send(
      buildRtp({ ...numbers, payloadType: PIPE_OPUS_PAYLOAD_TYPE, payload: silence, audioLevel: 0x80 | 20 }),
    );
  }, 20);
  await expect.poll(() => seen(ann, 'p-Cid')?.speaking, POLL).toBe(true);
  clearInterval(talking);
  await expect.poll(() => seen(ann, 'p-Cid')?.speaking, POLL).toBe(false);
  core.tellRoom('room.stream-closed', { room: 'meeting', participantId: 'p-Cid', kind: 'audio', pipeId: pipe.pipeId });
  await expect.poll(() => seen(ann, 'p-Cid')?.audio, POLL).toBeNull();
  core.tellRoom('room.members', { room: 'meeting', members: [] });
  await expect.poll(() => names(ann).at(-1), POLL).toBe('participant-left Cid');
});

test('the core is given how loud each packet of a caller is', async () => {
  const ann = await enter('Ann');
  await talk(ann, 500);
  const heard = () => core.session('s-Ann').heard;
  await expect.poll(() => heard().length, POLL).toBeGreaterThan(20);
  const level = parseRtp(heard().at(-1)!.packet)!.extension(6);
  expect(level!.readUInt8(0) & 0x7f).toBeLessThan(40);
});

test('video goes to the others here, and over the pipe once somebody is elsewhere', async () => {
  const [ann, ben] = [await enter('Ann'), await enter('Ben')];
  const { producerId } = await ann.call.produce(ann.call.offer().sendTransport.transportId, VP8, 'video');
  await expect.poll(() => seen(ben, 'p-Ann')?.video, POLL).toBe(producerId);
  const consumed = await ben.call.consume(
    ben.call.offer().recvTransport.transportId,
    edge.roomRtpCapabilities,
    producerId,
  );
  expect(consumed).toMatchObject({ kind: 'video', producerId });
  expect(consumed.rtpParameters.codecs.map(({ mimeType }) => mimeType)).toEqual(['video/VP8', 'video/rtx']);
  expect(consumed.rtpParameters.encodings[0]?.rtx?.ssrc).toBeGreaterThan(0);
  expect(core.session('s-Ann').video).toBeNull();
  const cid = { participantId: 'p-Cid', name: 'Cid', sessionId: 's-Cid', pop: 'pop-2', muted: false, video: false };
  core.tellRoom('room.members', { room: 'meeting', members: [cid] });
  await expect.poll(() => core.session('s-Ann').video?.codec, POLL).toBe('VP8');
  core.tellRoom('room.members', { room: 'meeting', members: [] });
  await expect.poll(() => core.session('s-Ann').video, POLL).toBeNull();
});

test('video that is none of ours, twice, or outside a room is refused', async () => {
  const ann = await enter('Ann');
  const produce = (video: unknown) => ann.call.produce(ann.call.offer().sendTransport.transportId, video, 'video');
  const [vp8, rtx] = VP8.codecs;
  const refused = { code: 'ERR_MEDIA_PARAMETERS' };
  for (const bogus of [
    null,
    {},
    OPUS,
    { ...VP8, codecs: [{ ...vp8, mimeType: 'video/VP9' }] },
    { ...VP8, codecs: [rtx] },
    { ...VP8, codecs: [vp8, { ...rtx, parameters: { apt: 12 } }] },
    { ...VP8, codecs: [vp8, rtx, rtx] },
    { ...VP8, encodings: [] },
    { ...VP8, encodings: [{ ssrc: 1 }, { ssrc: 2 }] },
    { ...VP8, encodings: [{}] },
    { ...VP8, headerExtensions: [{ uri: 'urn:3gpp:video-orientation', id: 99 }] },
  ]) {
    await expect(produce(bogus)).rejects.toMatchObject(refused);
  }
  await produce(VP8);
  await expect(produce(VP8)).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE' });
  const alone = await edge.openCall({
    ...{ sessionId: 's-alone', epoch: 1, room: 'r', agent: 'echo', residency: null, confinement: null, metadata: {} },
    core: core.address,
  });
  await expect(alone.produce(alone.offer().sendTransport.transportId, VP8, 'video')).rejects.toMatchObject({
    code: 'ERR_MEDIA_STATE',
  });
  expect(edge.routerRtpCapabilities.codecs.map(({ kind }) => kind)).toEqual(['audio']);
});

test('when the worker of a room dies its callers hear each other again on its replacement', async () => {
  const [ann, ben] = [await enter('Ann'), await enter('Ben')];
  const produce = ({ call }: Seated) => call.produce(call.offer().sendTransport.transportId, OPUS);
  await produce(ann);
  await ann.call.room!.mute(true);
  const restarted = new Promise((resolve) => ann.call.worker.once('restarted', resolve));
  const lost = Promise.all([ann, ben].map(({ call }) => new Promise((resolve) => call.once('mediaLost', resolve))));
  process.kill(ann.call.worker.pid, 'SIGKILL');
  await Promise.all([restarted, lost]);
  expect(seen(ben, 'p-Ann')?.audio).toBeNull();
  await Promise.all([ann.call.renewMedia(), ben.call.renewMedia()]);
  const { producerId } = await produce(ann);
  expect(seen(ben, 'p-Ann')).toMatchObject({ audio: producerId, muted: true });
  const { recvTransport } = ben.call.offer();
  await ben.call.consume(recvTransport.transportId, edge.roomRtpCapabilities, producerId);
});

test('a call that does not come about was never seen', async () => {
  const ann = await enter('Ann');
  core.refuseAttach = new AntipodeError('ERR_ROOM_AGENT', 'Another agent.');
  await expect(enter('Ben')).rejects.toMatchObject({ code: 'ERR_ROOM_AGENT' });
  core.refuseAttach = null;
  expect(ann.told).toEqual([]);
  expect(ann.call.room!.participants).toHaveLength(1);
  await enter('Ben');
});

test('a caller who changes its mind all the time ends up as it said last, and is slowed down', async () => {
  const [ann, ben] = [await enter('Ann'), await enter('Ben')];
  const { producerId } = await ann.call.produce(ann.call.offer().sendTransport.transportId, OPUS);
  const changes = Array.from({ length: 9 }, (_, index) => ann.call.room!.mute(index % 2 === 0));
  await Promise.all(changes);
  expect(ann.call.room!.muted).toBe(true);
  const producer = ben.call.room!.producer(producerId);
  expect(producer.paused).toBe(true);
  expect((await producer.dump()).paused).toBe(true);
  const more = await Promise.allSettled(Array.from({ length: 9 }, (_, index) => ann.call.room!.mute(index % 2 === 1)));
  const refused = more.filter((one) => one.status === 'rejected').map((one) => one.reason.code);
  expect(refused.length).toBeGreaterThan(5);
  expect(new Set(refused)).toEqual(new Set(['ERR_RATE_LIMITED']));
});

test('a stream that is told again goes on, one of another number takes its place', async () => {
  const ann = await enter('Ann');
  const pipe = core.pipes.get(core.session('s-Ann').attach.pipeId)!;
  const sources = await Promise.all(
    [98, 99].map((ssrc) => core.worker.direct.produce({ kind: 'audio', rtpParameters: opusProducerParameters(ssrc) })),
  );
  const [first, second] = (await Promise.all(sources.map((source) => pipe.send(source)))).map(({ stream }) => stream);
  const cid = { participantId: 'p-Cid', name: 'Cid', sessionId: 's-Cid', pop: 'pop-2', muted: false, video: false };
  core.tellRoom('room.members', { room: 'meeting', members: [cid] });
  const tell = (stream: typeof first, pipeId = pipe.pipeId) =>
    core.tellRoom('room.stream', { room: 'meeting', participantId: 'p-Cid', kind: 'audio', pipeId, stream: stream! });
  tell(first);
  await expect.poll(() => seen(ann, 'p-Cid')?.audio ?? null, POLL).not.toBeNull();
  const voice = seen(ann, 'p-Cid')!.audio;
  tell(first);
  tell(first, 'no-such-pipe');
  await expect.poll(() => metricValue(metrics, 'antipode_edge_room_ignored_total', { what: 'stream' }), POLL).toBe(1);
  expect(seen(ann, 'p-Cid')!.audio).toBe(voice);
  tell(second);
  await expect.poll(() => seen(ann, 'p-Cid')?.audio, POLL).not.toBe(voice);
  await expect.poll(() => seen(ann, 'p-Cid')?.audio ?? null, POLL).not.toBeNull();
});

test('a caller who comes back by another POP with the same seat is let go here without a word to the core', async () => {
  const [ann, ben] = [await enter('Ann'), await enter('Ben')];
  core.end('s-Ben', { code: 'replaced', reason: 'The caller came back by another POP.' });
  await expect.poll(() => names(ann).at(-1), POLL).toBe('participant-left Ben');
  expect(ben.call.end).toMatchObject({ code: 'replaced' });
  expect(core.asked).not.toContain('session.detach');
  const members = [
    { participantId: 'p-Ben', name: 'Ben', sessionId: 's-Ben', pop: 'pop-2', muted: false, video: false },
  ];
  core.tellRoom('room.members', { room: 'meeting', members });
  await expect.poll(() => seen(ann, 'p-Ben')?.pop, POLL).toBe('pop-2');
});
