import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CLOSE_CODES } from '../../src/signaling/protocol.ts';
import { browserClock } from '../../web/src/client/browser-clock.ts';
import { Call, type CallEnvironment } from '../../web/src/client/call.ts';
import { CallFailure, failureOf } from '../../web/src/client/failure.ts';
import type { MediaOptions } from '../../web/src/client/media.ts';
import type { MicrophonePermission, VoiceSource } from '../../web/src/client/microphone.ts';
import { momentWords } from '../../web/src/client/moments.ts';
import { backoffMs } from '../../web/src/client/session-link.ts';
import { eventually } from './eventually.ts';
import { FakePop } from './fake-pop.ts';
import { noCamera, ScriptedMedia, ScriptedMicrophone } from './scripted-devices.ts';

let pop: FakePop;
let call: Call;
let medias: ScriptedMedia[];
let microphones: ScriptedMicrophone[];
let openMicrophone: () => Promise<VoiceSource>;
let permission: MicrophonePermission;
let probesForJoin: CallEnvironment['probesForJoin'];

beforeEach(async () => {
  pop = await FakePop.start();
  medias = [];
  microphones = [];
  permission = 'granted';
  probesForJoin = async () => [];
  openMicrophone = async () => {
    const microphone = new ScriptedMicrophone();
    microphones.push(microphone);
    return microphone;
  };
  call = new Call({
    clock: browserClock,
    random: () => 0,
    rest: { baseUrl: pop.url, timeoutMs: 2_000, fetch },
    probesForJoin: () => probesForJoin(),
    openMicrophone: () => openMicrophone(),
    openCamera: noCamera,
    microphonePermission: async () => permission,
    createMedia: (_options: MediaOptions, handlers) => {
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

const stateName = () => call.view.state.name;
const failureCode = () => (call.view.state.name === 'failed' ? call.view.state.failure.code : null);

async function connect(): Promise<void> {
  await call.join('front-desk');
  medias[0]!.flow();
  expect(stateName()).toBe('connected');
}

describe('joining', () => {
  test('is connected when both directions flow, with agent, placement and notices', async () => {
    await call.join('front-desk');
    expect(call.view.state).toEqual({ name: 'joining', agent: 'front-desk', step: 'media' });
    medias[0]!.flow();
    expect(stateName()).toBe('connected');
    expect(call.view.agent?.title).toBe('Front desk');
    expect(call.view.placement?.core.region).toBe('us-east-1');
    expect(call.view.notices.map((notice) => notice.code)).toEqual(['keyless-grammar']);
  });

  test('tells the server what was measured of POPs', async () => {
    probesForJoin = async () => [{ pop: 'pop-syd-1', rttMs: 12.3 }];
    await connect();
    expect(pop.asked).toEqual([{ agent: 'front-desk', probes: [{ pop: 'pop-syd-1', rttMs: 12.3 }] }]);
  });

  test('says nothing of POPs when nothing was measured', async () => {
    await connect();
    expect(pop.asked).toEqual([{ agent: 'front-desk' }]);
  });

  test('asks its own POP again when another one, to which it was sent on, fails', async () => {
    probesForJoin = async () => [{ pop: 'pop-gone', rttMs: 1 }];
    pop.sendOnTo = 'http://127.0.0.1:1/v1/sessions';
    await connect();
    expect(pop.asked).toEqual([
      { agent: 'front-desk', probes: [{ pop: 'pop-gone', rttMs: 1 }] },
      { agent: 'front-desk' },
    ]);
  });

  test('asks once for what no measurement can have spoiled', async () => {
    probesForJoin = async () => [{ pop: 'pop-syd-1', rttMs: 1 }];
    pop.refusals.set('create', { code: 'ERR_RATE_LIMITED', retryAfter: 2 });
    await call.join('front-desk');
    expect(failureCode()).toBe('ERR_RATE_LIMITED');
    expect(pop.asked).toHaveLength(1);
  });

  test('that was cancelled while POPs are measured asks for no session', async () => {
    const measured = Promise.withResolvers<[]>();
    probesForJoin = () => measured.promise;
    const joining = call.join('front-desk');
    call.hangUp();
    measured.resolve([]);
    await joining;
    expect(pop.asked).toEqual([]);
    expect(stateName()).toBe('idle');
  });

  test('does not take the session up before the caller has allowed the microphone', async () => {
    permission = 'prompt';
    const allowed = Promise.withResolvers<VoiceSource>();
    openMicrophone = () => allowed.promise;
    const joining = call.join('front-desk');
    await eventually(() => pop.sessionsCreated === 1);
    expect(call.view.state).toMatchObject({ name: 'joining', step: 'microphone' });
    expect(pop.count('join')).toBe(0);
    allowed.resolve(new ScriptedMicrophone());
    await joining;
    expect(pop.count('join')).toBe(1);
  });

  test('asks for a new session when the first one expired behind the prompt', async () => {
    pop.sessionTtlMs = -1_000;
    await call.join('front-desk');
    expect(pop.sessionsCreated).toBe(2);
    expect(call.view.state).toMatchObject({ step: 'media' });
  });

  test.each([['prompt'], ['granted']] as const)('fails by a refused microphone (permission %s)', async (state) => {
    permission = state;
    openMicrophone = () => Promise.reject(CallFailure.of('MIC_DENIED', 'Permission denied'));
    await call.join('front-desk');
    await eventually(() => stateName() === 'failed');
    expect(failureCode()).toBe('MIC_DENIED');
  });

  test.each([
    ['ERR_SESSION_LIMIT', 12],
    ['ERR_RATE_LIMITED', 30],
    ['ERR_AGENT_UNKNOWN', undefined],
  ] as const)('fails by %s, with Retry-After %s', async (code, retryAfter) => {
    pop.refusals.set('create', retryAfter === undefined ? { code } : { code, retryAfter });
    await call.join('front-desk');
    const retryAfterMs = retryAfter === undefined ? null : retryAfter * 1_000;
    expect(call.view.state).toMatchObject({ name: 'failed', failure: { code, retryAfterMs } });
    await eventually(() => microphones[0]!.closed);
  });

  test('fails by a token that expired', async () => {
    pop.refusals.set('join', { code: 'ERR_TOKEN_EXPIRED' });
    await call.join('front-desk');
    expect(failureCode()).toBe('ERR_TOKEN_EXPIRED');
  });

  test('that is cancelled lets everything go', async () => {
    await call.join('front-desk');
    call.hangUp();
    expect(stateName()).toBe('idle');
    expect(medias[0]!.closed).toBe(true);
    await eventually(() => microphones[0]!.closed && pop.socketCount === 0);
  });
});

describe('a dropped socket', () => {
  test('comes back with the media kept', async () => {
    await connect();
    pop.drop();
    await eventually(() => stateName() === 'reconnecting');
    expect(call.view.state).toMatchObject({ signaling: 'down', media: 'up' });
    await eventually(() => stateName() === 'connected');
    expect(pop.last('resume')).toMatchObject({ keepMedia: true });
    expect(medias).toHaveLength(1);
    expect(medias[0]!.healed).toBe(1);
  });

  test('of a POP that is gone leads to another one, and the transcript says so when sound flows there', async () => {
    const other = await FakePop.start();
    try {
      pop.elsewhere = [other.asOther];
      other.takesFrom = pop;
      other.placement = { ...other.placement, pop: { nodeId: 'pop-fra-1', region: 'eu-central-1' } };
      await connect();
      pop.tell({ type: 'transcript', id: 'a1', turn: 1, role: 'agent', text: 'Hello.', final: true });
      await eventually(() => call.view.transcript.length === 1);
      await pop.close();
      await eventually(() => medias.length === 2);
      expect(other.last('resume')).toMatchObject({ keepMedia: false });
      // It may be that POP which still hears the caller.
      expect(medias[0]!.closed).toBe(false);
      expect(call.view.moments).toEqual([]);
      medias[1]!.flow();
      expect(medias[0]!.closed).toBe(true);
      expect(stateName()).toBe('connected');
      expect(call.view.moments).toMatchObject([
        { kind: 'came-back', region: 'eu-central-1', afterLine: 'a1', sentAway: false, gapMs: expect.any(Number) },
      ]);
      expect(momentWords(call.view.moments[0]!)).toBe('You came back by eu-central-1');
      expect(call.view.placement?.pop.nodeId).toBe('pop-fra-1');
    } finally {
      call.hangUp();
      await other.close();
    }
  });

  test('that was not dropped but sent away leads to another POP, without a gap, and the transcript says that', async () => {
    const other = await FakePop.start();
    try {
      other.takesFrom = pop;
      other.placement = { ...other.placement, pop: { nodeId: 'pop-fra-1', region: 'eu-central-1' } };
      await connect();
      pop.sendRaw({ event: 'come-back', data: { elsewhere: [other.asOther], reason: 'It stops.' } });
      await eventually(() => medias.length === 2);
      expect(medias[0]!.closed).toBe(false);
      medias[1]!.flow();
      expect(call.view.moments).toMatchObject([{ kind: 'came-back', sentAway: true, gapMs: null }]);
      expect(stateName()).toBe('connected');
    } finally {
      call.hangUp();
      await other.close();
    }
  });

  test('is tried again and counted until the server is back', async () => {
    await connect();
    pop.refuseSockets = true;
    pop.drop();
    await eventually(() => call.view.state.name === 'reconnecting' && call.view.state.attempt >= 3);
    pop.refuseSockets = false;
    await eventually(() => stateName() === 'connected');
  });

  test('sets media up anew when the server could not keep it', async () => {
    await connect();
    medias[0]!.established = false;
    pop.drop();
    await eventually(() => medias.length === 2);
    expect(pop.last('resume')).toMatchObject({ keepMedia: false });
    expect(call.view.state).toMatchObject({ name: 'reconnecting', signaling: 'up', media: 'down' });
    medias[1]!.flow();
    expect(stateName()).toBe('connected');
  });

  test('of a session that is gone fails with its code', async () => {
    await connect();
    pop.refusals.set('resume', { code: 'ERR_SESSION_ENDED' });
    pop.drop();
    await eventually(() => stateName() === 'failed');
    expect(failureCode()).toBe('ERR_SESSION_ENDED');
  });

  test.each([
    [CLOSE_CODES.superseded, 'ERR_SUPERSEDED'],
    [CLOSE_CODES.protocolError, 'ERR_PROTOCOL_MALFORMED'],
    [CLOSE_CODES.flood, 'ERR_PROTOCOL_FLOOD'],
  ])('with close code %i is not resumed: %s', async (closeCode, code) => {
    await connect();
    pop.drop(closeCode);
    await eventually(() => stateName() === 'failed');
    expect(failureCode()).toBe(code);
    expect(pop.count('resume')).toBe(0);
  });

  test('is given up when the server’s window is over', async () => {
    await pop.close();
    pop = await FakePop.start({ resumeWindowMs: 300 });
    call = new Call({
      clock: browserClock,
      random: () => 0,
      rest: { baseUrl: pop.url, timeoutMs: 2_000, fetch },
      probesForJoin: () => probesForJoin(),
      openMicrophone: () => openMicrophone(),
      openCamera: noCamera,
      microphonePermission: async () => 'granted',
      createMedia: (_options, handlers) => medias[medias.push(new ScriptedMedia(handlers)) - 1]!,
    });
    await connect();
    pop.refuseSockets = true;
    pop.drop();
    await eventually(() => stateName() === 'failed');
    expect(failureCode()).toBe('CONNECTION_LOST');
  });
});

describe('lost media', () => {
  test('is set up again at once when the server says so', async () => {
    await connect();
    pop.loseMedia();
    await eventually(() => medias.length === 2);
    expect(pop.last('resume')).toMatchObject({ keepMedia: false });
    expect(medias[0]!.closed).toBe(true);
    expect(call.view.state).toMatchObject({ name: 'reconnecting', media: 'down' });
    medias[1]!.flow();
    expect(stateName()).toBe('connected');
  });

  test('is set up again when the transports found out first', async () => {
    await connect();
    medias[0]!.handlers.disrupted();
    expect(call.view.state).toMatchObject({ name: 'reconnecting', signaling: 'up', media: 'down' });
    medias[0]!.handlers.lost(failureOf('MEDIA_UNREACHABLE', 'ICE failed.'));
    await eventually(() => medias.length === 2);
    medias[1]!.flow();
    expect(stateName()).toBe('connected');
  });

  test('waits out a server whose worker is not back yet', async () => {
    await connect();
    pop.refusals.set('resume', { code: 'ERR_MEDIA_WORKER_DIED' });
    pop.loseMedia();
    await eventually(() => pop.count('resume') >= 2);
    pop.refusals.clear();
    await eventually(() => medias.length === 2);
  });

  test('that comes back by ICE alone needs nothing of the server', async () => {
    await connect();
    medias[0]!.handlers.disrupted();
    medias[0]!.handlers.flowing();
    expect(stateName()).toBe('connected');
    expect(pop.count('resume')).toBe(0);
  });

  test('ends the call when the browser can’t do what the server wants', async () => {
    await connect();
    medias[0]!.handlers.lost(failureOf('ERR_MEDIA_PARAMETERS', 'No Opus.'));
    expect(failureCode()).toBe('ERR_MEDIA_PARAMETERS');
  });
});

describe('the end', () => {
  test.each(['agent-hung-up', 'expired', 'node-shutdown'] as const)('%s is shown with its reason', async (code) => {
    await connect();
    pop.end({ code, reason: 'So it is.' });
    await eventually(() => stateName() === 'ended');
    expect(call.view.state).toMatchObject({ end: { code, reason: 'So it is.' } });
    await eventually(() => microphones[0]!.closed);
    expect(medias[0]!.closed).toBe(true);
  });

  test('by the caller tells the server and keeps the transcript', async () => {
    await connect();
    pop.tell({ type: 'transcript', id: 'a', turn: 1, role: 'agent', text: 'Hello.', final: true });
    await eventually(() => call.view.transcript.length === 1);
    call.hangUp();
    expect(call.view.state).toMatchObject({ name: 'ended', end: { code: 'caller-left' } });
    await eventually(() => pop.count('leave') === 1);
    expect(call.view.transcript).toHaveLength(1);
  });

  test('lets the caller call again', async () => {
    await connect();
    call.hangUp();
    await call.join('front-desk');
    medias[1]!.flow();
    expect(stateName()).toBe('connected');
    expect(call.view.transcript).toEqual([]);
  });
});

describe('the microphone', () => {
  test('is muted and unmuted without the server', async () => {
    await connect();
    call.setMuted(true);
    await eventually(() => microphones[0]!.muted);
    expect(call.view.muted).toBe(true);
  });

  test('that is pulled out is replaced by another one, muted as it was', async () => {
    await connect();
    call.setMuted(true);
    microphones[0]!.lose();
    await eventually(() => medias[0]!.replaced.length === 1);
    expect(call.view.microphoneProblem).toBeNull();
    expect(microphones[1]!.muted).toBe(true);
  });

  test('that is pulled out without a replacement is told, and the call goes on', async () => {
    await connect();
    openMicrophone = () => Promise.reject(CallFailure.of('MIC_NONE', 'Requested device not found'));
    microphones[0]!.lose();
    await eventually(() => call.view.microphoneProblem?.message === 'Requested device not found');
    expect(call.view.microphoneProblem?.code).toBe('MIC_LOST');
    expect(stateName()).toBe('connected');
  });
});

test('typed text goes to the agent, and a refusal comes back', async () => {
  await connect();
  await call.sendText('What time is it?');
  expect(pop.last('message')).toEqual({ type: 'text', text: 'What time is it?' });
  pop.refusals.set('message', { code: 'ERR_BACKBONE_CLOSED' });
  await expect(call.sendText('Hello?')).rejects.toMatchObject({ failure: { code: 'ERR_BACKBONE_CLOSED' } });
});

test('the back-off grows, stays bounded and is shortened by jitter', () => {
  expect([1, 2, 3, 4, 5, 6, 60].map((attempt) => backoffMs(attempt, () => 0))).toEqual([
    150, 250, 400, 700, 1_200, 2_000, 2_000,
  ]);
  expect(backoffMs(6, () => 0.999)).toBe(1_600);
});
