/** The page's signaling between POPs, each of them a real server that follows a script. */
import { afterEach, describe, expect, test } from 'vitest';
import type { JoinAnswer } from '../../src/signaling/protocol.ts';
import { browserClock } from '../../web/src/client/browser-clock.ts';
import type { Failure } from '../../web/src/client/failure.ts';
import { createSession } from '../../web/src/client/rest.ts';
import { SessionLink, type SessionLinkOptions } from '../../web/src/client/session-link.ts';
import type { SignalingEvent } from '../../web/src/client/signaling-socket.ts';
import { eventually } from './eventually.ts';
import { FAKE_PLACEMENT, FakePop } from './fake-pop.ts';

const toClose: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

async function startPop(nodeId: string, region: string): Promise<FakePop> {
  const pop = await FakePop.start();
  pop.placement = { ...FAKE_PLACEMENT, pop: { nodeId, region } };
  toClose.push(() => pop.close());
  return pop;
}

/** Two POPs that know each other; the second takes the callers of the first. */
async function twoPops(): Promise<[FakePop, FakePop]> {
  const [first, second] = [await startPop('pop-1', 'eu-central-1'), await startPop('pop-2', 'us-east-1')];
  first.elsewhere = [second.asOther];
  second.elsewhere = [first.asOther];
  second.takesFrom = first;
  return [first, second];
}

/** A link that has joined at a POP, and all that it told. */
async function joined(pop: FakePop, options: Partial<SessionLinkOptions> = {}) {
  const told = {
    events: [] as SignalingEvent[],
    lost: 0,
    resumed: [] as { answer: JoinAnswer; moved: boolean; sentAway: boolean }[],
    failed: [] as Failure[],
  };
  const link = new SessionLink(
    { url: pop.signalingUrl, clock: browserClock, random: () => 0, ...options },
    {
      event: (event) => told.events.push(event),
      lost: () => {
        told.lost += 1;
      },
      attempting: () => {},
      resumed: (answer, how) => told.resumed.push({ answer, ...how }),
      failed: (failure) => told.failed.push(failure),
    },
  );
  toClose.push(() => link.close());
  await link.join('join:front-desk');
  return { link, told };
}

function say(pop: FakePop, seq: number): void {
  pop.sendRaw({ event: 'agent', seq, data: { type: 'interruption', turn: 1, outcome: 'paused' } });
}

describe('a page whose POP dies', () => {
  test('comes back by another one, without its transports, and hears that one from its first event on', async () => {
    const [first, second] = await twoPops();
    const { told } = await joined(first);
    say(first, 1);
    say(first, 2);
    await eventually(() => told.events.length === 2);
    await first.close();
    await eventually(() => told.resumed.length === 1);
    expect(told.resumed[0]).toMatchObject({
      moved: true,
      sentAway: false,
      answer: { adopted: true, mediaKept: false },
    });
    expect(second.last('resume')).toMatchObject({ keepMedia: false });
    say(second, 1);
    await eventually(() => told.events.length === 3);
    expect(told.events.map(({ seq }) => seq)).toEqual([1, 2, 1]);
    expect(told.failed).toEqual([]);
  });

  test('does not leave a POP that only dropped its socket', async () => {
    const [first, second] = await twoPops();
    const { told } = await joined(first);
    first.drop();
    await eventually(() => told.resumed.length === 1);
    expect(told.resumed[0]).toMatchObject({ moved: false, answer: { mediaKept: true } });
    expect(second.count('resume')).toBe(0);
  });

  test('notices one that falls silent, and asks nothing of one that speaks', async () => {
    const [first, second] = await twoPops();
    const { told } = await joined(first, { quietMs: 200, pingTimeoutMs: 300 });
    const speaking = setInterval(() => say(first, 1), 50);
    await new Promise((resolve) => setTimeout(resolve, 500));
    clearInterval(speaking);
    expect(first.count('ping')).toBe(0);
    await eventually(() => first.count('ping') > 0);
    expect(told.lost).toBe(0);
    first.silent.add('ping');
    first.refuseSockets = true;
    await eventually(() => told.resumed.length === 1);
    expect(told).toMatchObject({ lost: 1, resumed: [{ moved: true }] });
    expect(second.count('resume')).toBe(1);
  });

  test('goes on to a third one when the second has no room, with the same token', async () => {
    const [first, second] = await twoPops();
    const third = await startPop('pop-3', 'ap-southeast-2');
    third.takesFrom = first;
    first.elsewhere = [second.asOther, third.asOther];
    second.refusals.set('resume', { code: 'ERR_SESSION_LIMIT' });
    const { told } = await joined(first);
    const { resumeToken } = first;
    await first.close();
    await eventually(() => told.resumed.length === 1);
    expect(told.resumed[0]!.answer.placement.pop.nodeId).toBe('pop-3');
    for (const pop of [second, third]) expect(pop.last('resume')).toMatchObject({ resumeToken });
  });

  test('ends at once when the other POP says that the call is over', async () => {
    const [first, second] = await twoPops();
    second.refusals.set('resume', { code: 'ERR_SESSION_UNKNOWN' });
    const { told } = await joined(first);
    await first.close();
    await eventually(() => told.failed.length === 1);
    expect(told.failed[0]).toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    expect(second.count('resume')).toBe(1);
  });

  test('goes by what it was told last of the others', async () => {
    const [first, second] = await twoPops();
    first.elsewhere = [];
    const { told } = await joined(first);
    first.sendRaw({ event: 'elsewhere', data: { elsewhere: [second.asOther] } });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await first.close();
    await eventually(() => told.resumed.length === 1);
    expect(told.resumed[0]).toMatchObject({ moved: true });
  });
});

describe('a page that is sent away', () => {
  test('goes to the other POP first, and leaves this one when it is there', async () => {
    const [first, second] = await twoPops();
    const { told, link } = await joined(first);
    first.sendRaw({ event: 'come-back', data: { elsewhere: [second.asOther], reason: 'It stops.' } });
    await eventually(() => told.resumed.length === 1);
    expect(told).toMatchObject({ lost: 0, failed: [], resumed: [{ moved: true, sentAway: true }] });
    await eventually(() => first.socketCount === 0);
    await link.request('message', { type: 'text', text: 'still there' });
    expect(second.last('message')).toMatchObject({ text: 'still there' });
  });

  test('is not at its end when the former POP says that it has the call no more', async () => {
    const [first, second] = await twoPops();
    second.silent.add('resume');
    const { told } = await joined(first);
    first.sendRaw({ event: 'come-back', data: { elsewhere: [second.asOther], reason: 'It stops.' } });
    await eventually(() => second.count('resume') === 1);
    first.end({ code: 'replaced', reason: 'The caller came back by another POP.' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told).toMatchObject({ failed: [], events: [] });
  });

  test('stays when nobody else takes it', async () => {
    const [first, second] = await twoPops();
    second.refusals.set('resume', { code: 'ERR_PLACEMENT_RESIDENCY' });
    const { told, link } = await joined(first);
    first.sendRaw({ event: 'come-back', data: { elsewhere: [second.asOther], reason: 'It stops.' } });
    await eventually(() => second.count('resume') === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await link.request('ping', {});
    expect(told).toMatchObject({ lost: 0, failed: [], resumed: [] });
  });
});

describe('a session that this POP refuses', () => {
  test('is asked of the other POP that it names, once', async () => {
    const [first, second] = await twoPops();
    first.refusals.set('create', { code: 'ERR_SESSION_LIMIT', retryAfter: 5 });
    first.createElsewhere = `${second.url}/v1/sessions`;
    const rest = { baseUrl: first.url, timeoutMs: 5_000, fetch };
    const probes = [{ pop: 'pop-1', rttMs: 5 }];
    const session = await createSession(rest, { agent: 'front-desk', probes });
    expect(session.signalingUrl).toBe(second.signalingUrl);
    expect(second.asked).toEqual([{ agent: 'front-desk' }]);
    second.refusals.set('create', { code: 'ERR_SHUTTING_DOWN' });
    await expect(createSession(rest, { agent: 'front-desk' })).rejects.toMatchObject({
      failure: { code: 'ERR_SESSION_LIMIT', retryAfterMs: 5_000 },
    });
  });
});
