/** A caller in a room with others, against a scripted POP. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Participant } from '../../src/signaling/protocol.ts';
import { browserClock } from '../../web/src/client/browser-clock.ts';
import { Call } from '../../web/src/client/call.ts';
import type { PictureSource } from '../../web/src/client/camera.ts';
import { failureOf } from '../../web/src/client/failure.ts';
import { grantsOf } from '../../web/src/client/grants.ts';
import { momentWords } from '../../web/src/client/moments.ts';
import { seatOf } from '../../web/src/client/room.ts';
import { eventually } from './eventually.ts';
import { FakePop } from './fake-pop.ts';
import { noCamera, ScriptedCamera, ScriptedMedia, ScriptedMicrophone } from './scripted-devices.ts';

const person = (participantId: string, name: string, more: Partial<Participant> = {}): Participant => ({
  ...{ participantId, name, muted: false, speaking: false, audio: null, video: null, pop: 'pop-1' },
  ...more,
});
const ANN = person('p-ann', 'Ann');
const BEN = person('p-ben', 'Ben', { audio: 'a-ben' });

let pop: FakePop;
let call: Call;
let medias: ScriptedMedia[];
let microphone: ScriptedMicrophone;
let openCamera: () => Promise<PictureSource>;

beforeEach(async () => {
  pop = await FakePop.start();
  pop.participants = [ANN, BEN];
  pop.grants = ['speak', 'listen', 'message', 'video'];
  medias = [];
  openCamera = noCamera;
  call = new Call({
    clock: browserClock,
    random: () => 0,
    rest: { baseUrl: pop.url, timeoutMs: 2_000, fetch },
    probesForJoin: async () => [],
    openMicrophone: async () => {
      microphone = new ScriptedMicrophone();
      return microphone;
    },
    openCamera: () => openCamera(),
    microphonePermission: async () => 'granted',
    createMedia: (_options, handlers) => {
      const media = new ScriptedMedia(handlers);
      medias.push(media);
      return media;
    },
  });
});
afterEach(async () => {
  call.hangUp();
  await pop.close();
});

async function join(): Promise<void> {
  await call.join('front-desk', { seat: { room: 'kitchen', name: 'Ann' } });
  medias[0]!.flow();
  expect(call.view.state.name).toBe('connected');
}

const names = () => call.view.room?.participants.map(({ name }) => name);
const told = () => call.view.moments.map((moment) => momentWords(moment));

describe('who is there', () => {
  test('is what the POP says, with oneself first, and what is wanted of their streams', async () => {
    pop.participants = [ANN, BEN];
    await join();
    expect(pop.asked).toEqual([{ agent: 'front-desk', room: 'kitchen', name: 'Ann' }]);
    expect(names()).toEqual(['Ann', 'Ben']);
    expect(medias[0]!.followed).toEqual(['a-ben']);
    pop.tellOf('participant-joined', person('p-cy', 'Cy', { audio: 'a-cy', video: 'v-cy' }));
    await eventually(() => medias[0]!.followed.length === 3);
    expect(medias[0]!.followed).toEqual(['a-ben', 'a-cy', 'v-cy']);
    pop.tellOf('participant-left', BEN);
    await eventually(() => names()?.length === 2);
    expect(medias[0]!.followed).toEqual(['a-cy', 'v-cy']);
    expect(told()).toEqual(['Cy is here', 'Ben has left']);
  });

  test('is nobody for a caller who has the agent alone', async () => {
    pop.participants = null;
    await call.join('front-desk');
    expect(call.view.room).toBeNull();
    expect(pop.asked).toEqual([{ agent: 'front-desk' }]);
    call.setMuted(true);
    expect(pop.count('mute')).toBe(0);
  });

  test('is told anew after a resume, and so are its streams to new media', async () => {
    await join();
    pop.participants = [ANN, { ...BEN, audio: 'a-ben-2' }];
    medias[0]!.established = false;
    pop.drop();
    await eventually(() => medias.length === 2);
    expect(medias[1]!.followed).toEqual(['a-ben-2']);
    expect(told()).toEqual([]);
  });

  test('who can’t be heard is said, until they are', async () => {
    await join();
    medias[0]!.handlers.missed('a-ben', failureOf('ERR_NOT_FOUND', 'No such stream.'));
    expect([...call.view.room!.unheard.keys()]).toEqual(['a-ben']);
    medias[0]!.handlers.received(new Map([['a-ben', {} as MediaStream]]));
    expect(call.view.room!.unheard.size).toBe(0);
  });
});

describe('words', () => {
  test('of others carry their names, one’s own do not', async () => {
    await join();
    const words = { type: 'transcript', turn: 1, role: 'caller', final: true, text: 'hello' } as const;
    pop.tell({ ...words, id: 'c1', speaker: { participantId: 'p-ben', name: 'Ben' } });
    pop.tell({ ...words, id: 'c2', speaker: { participantId: 'p-ann', name: 'Ann' } });
    await eventually(() => call.view.transcript.length === 2);
    expect(call.view.transcript.map(({ speaker }) => speaker)).toEqual(['Ben', null]);
  });

  test('of others do not make this caller one who speaks', async () => {
    await join();
    pop.tell({ type: 'caller-speaking', speaking: true, speaker: { participantId: 'p-ben', name: 'Ben' } });
    pop.tell({ type: 'agent-state', state: 'listening' });
    await eventually(() => call.view.agentState === 'listening');
    expect(call.view.callerSpeaking).toBe(false);
  });
});

describe('muting', () => {
  test('is told to the POP as well', async () => {
    await join();
    call.setMuted(true);
    await eventually(() => pop.count('mute') === 1);
    expect(pop.last('mute')).toEqual({ muted: true });
    await eventually(() => microphone.muted);
  });

  test('by a moderator mutes here, and says so', async () => {
    await join();
    pop.tellOf('participant-changed', { ...ANN, muted: true });
    await eventually(() => call.view.muted);
    await eventually(() => microphone.muted);
    expect(told()).toEqual(['You were muted by somebody who moderates; unmute when you want to be heard']);
    expect(pop.count('mute')).toBe(0);
  });

  test('is not undone by what the POP said before it knew that the caller wants to be heard again', async () => {
    await join();
    call.setMuted(true);
    await eventually(() => pop.count('mute') === 1);
    pop.silent.add('mute');
    call.setMuted(false);
    await eventually(() => pop.count('mute') === 2);
    pop.tellOf('participant-changed', { ...ANN, muted: true });
    pop.tellOf('participant-joined', person('p-cy', 'Cy'));
    await eventually(() => names()?.length === 3);
    expect(call.view.muted).toBe(false);
    expect(told()).toEqual(['Cy is here']);
  });

  test('that the POP refuses to end is shown as what it is: still muted', async () => {
    await join();
    call.setMuted(true);
    await eventually(() => pop.count('mute') === 1);
    pop.refusals.set('mute', { code: 'ERR_RATE_LIMITED', message: 'Too often.' });
    call.setMuted(false);
    await eventually(() => call.view.room?.problem !== null);
    expect(call.view.muted).toBe(true);
    await eventually(() => microphone.muted);
    expect(call.view.room!.problem).toMatchObject({ code: 'ERR_RATE_LIMITED', message: 'Too often.' });
  });

  test('while the POP is out of reach is told when it is back', async () => {
    await join();
    pop.refuseSockets = true;
    pop.drop();
    await eventually(() => call.view.state.name === 'reconnecting');
    call.setMuted(true);
    expect(pop.count('mute')).toBe(0);
    pop.refuseSockets = false;
    await eventually(() => pop.count('mute') === 1);
    expect(pop.last('mute')).toEqual({ muted: true });
  });

  test('that ends while the POP is out of reach ends there when it is back', async () => {
    await join();
    call.setMuted(true);
    await eventually(() => pop.count('mute') === 1);
    pop.participants = [{ ...ANN, muted: true }, BEN];
    pop.refuseSockets = true;
    pop.drop();
    await eventually(() => call.view.state.name === 'reconnecting');
    call.setMuted(false);
    pop.refuseSockets = false;
    await eventually(() => pop.count('mute') === 2);
    expect(pop.last('mute')).toEqual({ muted: false });
    expect(call.view.muted).toBe(false);
    expect(told()).toEqual([]);
  });

  test('and removing others is for whom the token grants it', async () => {
    await join();
    expect(call.view.room).toMatchObject({ moderates: false, maySendVideo: true });
    call.hangUp();
    pop.grants = ['speak', 'listen', 'moderate'];
    await call.join('front-desk', { seat: { room: 'kitchen', name: 'Ann' } });
    expect(call.view.room).toMatchObject({ moderates: true, maySendVideo: false });
    await call.muteOther('p-ben');
    expect(pop.last('mute')).toEqual({ muted: true, participantId: 'p-ben' });
    await call.removeOther('p-ben');
    expect(pop.last('remove')).toEqual({ participantId: 'p-ben' });
    pop.refusals.set('remove', { code: 'ERR_NOT_FOUND', message: 'Nobody here has this id.' });
    await call.removeOther('p-ben');
    expect(call.view.room!.problem?.message).toBe('Nobody here has this id.');
  });
});

describe('a picture', () => {
  test('is shown, shown again by new media, and gone with its camera’s light', async () => {
    const camera = new ScriptedCamera();
    openCamera = async () => camera;
    await join();
    await call.setCamera(true);
    expect(call.view.cameraStream).toBe(camera.stream);
    expect(medias[0]!.shown).toEqual([camera.track]);
    medias[0]!.established = false;
    pop.drop();
    await eventually(() => medias.length === 2);
    expect(medias[1]!.shown).toEqual([camera.track]);
    await call.setCamera(false);
    expect(medias[1]!.shown).toEqual([camera.track, null]);
    expect(camera.closed).toBe(true);
    expect(call.view.cameraStream).toBeNull();
  });

  test('that there is no camera for is told, and can be asked for again', async () => {
    await join();
    await call.setCamera(true);
    expect(call.view.cameraProblem?.code).toBe('CAMERA_NONE');
    const camera = new ScriptedCamera();
    openCamera = async () => camera;
    await call.setCamera(true);
    expect(call.view).toMatchObject({ cameraProblem: null, cameraStream: camera.stream });
    camera.lose();
    expect(call.view.cameraProblem?.code).toBe('CAMERA_LOST');
    expect(call.view.cameraStream).toBeNull();
  });

  test('ends with the call', async () => {
    const camera = new ScriptedCamera();
    openCamera = async () => camera;
    await join();
    await call.setCamera(true);
    call.hangUp();
    expect(camera.closed).toBe(true);
    expect(call.view.cameraStream).toBeNull();
  });
});

test('an invitation is taken up without asking for a session', async () => {
  await call.join('front-desk', { invitation: { signalingUrl: pop.signalingUrl, token: 'join:front-desk' } });
  expect(pop.sessionsCreated).toBe(0);
  expect(pop.last('join')).toMatchObject({ token: 'join:front-desk' });
  expect(call.view.agent?.name).toBe('front-desk');
});

test('grants are read from a token, and none from what is none', () => {
  const token = (claims: unknown) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;
  expect(grantsOf(token({ grants: ['speak', 'moderate', 'fly'] }))).toEqual(['speak', 'moderate']);
  expect(grantsOf(token({}))).toEqual([]);
  expect(grantsOf('opaque')).toEqual([]);
  expect(grantsOf('a.%%%.c')).toEqual([]);
});

test('a seat needs a room that can be one, and a name', () => {
  expect(seatOf({ room: ' ', name: 'Ann' })).toBeNull();
  expect(seatOf({ room: ' kitchen ', name: ' Ann ' })).toEqual({ room: 'kitchen', name: 'Ann' });
  expect(seatOf({ room: 'the kitchen', name: 'Ann' })).toMatchObject({ field: 'room' });
  expect(seatOf({ room: 'kitchen', name: '' })).toMatchObject({ field: 'name' });
});
