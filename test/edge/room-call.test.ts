/** A room with callers at two POPs and its agent at one core: real WebRTC callers, POPs, core, channels, pipes and workers. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CallPorts, EarFrame } from '../../src/agent/types.ts';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { type AgentStarter, Core, type RunningAgent } from '../../src/core/index.ts';
import { type CallRequest, Edge, type EdgeCall, type Participant, type RoomNotice } from '../../src/edge/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { temporaryCa } from '../backbone/support/control.ts';
import { workerBin } from '../backbone/support/workers.ts';
import { agentNamed } from '../support/nodes.ts';
import { WebRtcCaller } from '../support/web-rtc-caller.ts';

const END = { code: 'node-shutdown', reason: 'The test is over.' } as const;
const POLL = { timeout: 20_000, interval: 30 };
const PATIENT = { timeout: 60_000, interval: 50 };
const [ANN_HZ, BEN_HZ, CID_HZ, AGENT_HZ] = [500, 900, 1_300, 1_700];

// Real processes on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 30_000 });

/** Hums one tone as long as it lives, and writes down whom it hears loudly. */
class Humming implements AgentStarter {
  readonly agents = [agentNamed('hum')];
  readonly calls: CallPorts[] = [];
  /** Loud frames by the name of their speaker. */
  readonly heard = new Map<string, number>();
  readonly messages: string[] = [];

  start(_name: string, call: CallPorts): RunningAgent {
    this.calls.push(call);
    const { promise, resolve } = Promise.withResolvers<void>();
    const utterance = call.mouth.open();
    let phase = 0;
    const humming = setInterval(() => {
      const step = (2 * Math.PI * AGENT_HZ) / 16_000;
      while (call.mouth.bufferedMs < 200) {
        call.mouth.write(
          utterance,
          Int16Array.from({ length: 320 }, () => 8_000 * Math.sin(phase++ * step)),
          16_000,
        );
      }
    }, 50);
    call.ear.onFrame((frame) => this.#hear(frame));
    call.onMessage((message, from) => {
      if (message.type === 'text') this.messages.push(`${from?.name}: ${message.text}`);
    });
    return {
      done: promise,
      close: async () => {
        clearInterval(humming);
        resolve();
      },
    };
  }

  #hear({ pcm, speaker }: EarFrame): void {
    const level = Math.sqrt(pcm.reduce((sum, sample) => sum + sample * sample, 0) / pcm.length);
    const name = speaker?.name ?? 'nobody';
    if (level > 1_000) this.heard.set(name, (this.heard.get(name) ?? 0) + 1);
  }
}

interface Seated {
  pop: Edge;
  call: EdgeCall;
  caller: WebRtcCaller;
  told: [RoomNotice, Participant][];
}

let cores: Core[];
let agents: Humming[];
let pops: Edge[];
let callers: WebRtcCaller[];

beforeEach(async () => {
  const ca = await temporaryCa();
  const config = configSchema.parse({ edge: { mediaPort: 0 }, core: { controlPort: 0 } });
  const common = { config, clock: systemClock, log: silentLogger, workerBin: workerBin() };
  const metrics = () => createMetrics({ processMetrics: false });
  agents = [new Humming(), new Humming()];
  cores = await Promise.all(
    agents.map(async (starter, index) => {
      const nodeId = `core-${index + 1}`;
      const identity = await ca.issue({ nodeId, role: 'core' });
      return Core.start({ ...common, nodeId, identity, agents: starter, metrics: metrics() });
    }),
  );
  pops = await Promise.all(
    ['pop-1', 'pop-2'].map(async (nodeId) =>
      Edge.start({ ...common, nodeId, identity: await ca.issue({ nodeId, role: 'pop' }), metrics: metrics() }),
    ),
  );
  callers = [];
});

afterEach(async () => {
  await Promise.all(callers.map((caller) => caller.kill()));
  await Promise.all(pops.map((pop) => pop.close(END)));
  await Promise.all(cores.map((core) => core.close(END)));
});

async function enter(pop: Edge, name: string, hz: number, change: Partial<CallRequest> = {}): Promise<Seated> {
  const request: CallRequest = {
    ...{ sessionId: `s-${name}`, epoch: 1, room: 'meeting', agent: 'hum', residency: null, confinement: null },
    ...{ metadata: {}, seat: { participantId: `p-${name}`, name }, core: { nodeId: 'core-1', ...cores[0]!.control } },
    successor: async ({ epoch }) => ({
      core: { nodeId: 'core-2', ...cores[1]!.control },
      ...{ epoch: epoch + 1, confinement: null },
    }),
    ...change,
  };
  const call = await pop.openCall(request);
  const told: Seated['told'] = [];
  call.on('participant', (...notice) => told.push(notice));
  const caller = await WebRtcCaller.connect(call, pop.roomRtpCapabilities, hz);
  callers.push(caller);
  return { pop, call, caller, told };
}

const seen = ({ call }: Seated, name: string) => call.room!.participants.find((one) => one.name === name);

/** Waits until `by` hears `name`, whoever else speaks. */
async function hears(by: Seated, name: string, hz: number): Promise<string> {
  await expect.poll(() => seen(by, name)?.audio ?? null, POLL).not.toBeNull();
  const voice = seen(by, name)!.audio!;
  await by.caller.listenTo(voice);
  await expect.poll(async () => Math.abs((await by.caller.heard(voice)).hz - hz), POLL).toBeLessThan(25);
  return voice;
}

test('three callers at two POPs hear each other and the agent, who hears each by name', async () => {
  const [one, two] = pops as [Edge, Edge];
  const ann = await enter(one, 'Ann', ANN_HZ);
  const ben = await enter(one, 'Ben', BEN_HZ);
  const cid = await enter(two, 'Cid', CID_HZ);
  const voices = await Promise.all([hears(ann, 'Ben', BEN_HZ), hears(ben, 'Ann', ANN_HZ), hears(cid, 'Ann', ANN_HZ)]);
  await Promise.all([hears(ann, 'Cid', CID_HZ), hears(ben, 'Cid', CID_HZ), hears(cid, 'Ben', BEN_HZ)]);
  for (const { caller } of [ann, ben, cid]) {
    await expect.poll(async () => (await caller.agent()).hz, POLL).toBeGreaterThan(AGENT_HZ - 25);
    expect((await caller.agent()).hz).toBeLessThan(AGENT_HZ + 25);
  }
  expect(agents[0]!.calls).toHaveLength(1);
  expect(seen(cid, 'Ann')).toMatchObject({ pop: 'pop-1', muted: false });
  await expect.poll(() => seen(cid, 'Ann')?.speaking, POLL).toBe(true);
  cid.call.sendMessage({ type: 'text', text: 'hello' });
  await expect.poll(() => agents[0]!.messages, POLL).toEqual(['Cid: hello']);

  await ann.call.room!.mute(true);
  await expect.poll(() => seen(cid, 'Ann')?.muted, POLL).toBe(true);
  for (const [by, voice] of [
    [ben, voices[1]],
    [cid, voices[2]],
  ] as const) {
    await expect.poll(async () => (await by.caller.heard(voice)).rms, POLL).toBeLessThan(100);
  }
  const before = agents[0]!.heard.get('Ann') ?? 0;
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect((agents[0]!.heard.get('Ann') ?? 0) - before).toBeLessThan(5);
  await ann.call.room!.mute(false);
  await expect.poll(async () => Math.abs((await cid.caller.heard(voices[2])).hz - ANN_HZ), POLL).toBeLessThan(25);

  await cid.call.room!.muteOther('p-Ben');
  await expect.poll(() => seen(ann, 'Ben')?.muted, POLL).toBe(true);
  expect(ben.told.some(([, { name, muted }]) => name === 'Ben' && muted)).toBe(true);

  const gone = new Promise((resolve) => ben.call.once('ended', resolve));
  await cid.call.room!.remove('p-Ben');
  expect(await gone).toMatchObject({ code: 'deleted' });
  for (const { told } of [cid, ann]) {
    await expect
      .poll(() => told.map(([notice, { name }]) => `${notice} ${name}`), POLL)
      .toContain('participant-left Ben');
  }
  await expect.poll(async () => Math.abs((await ann.caller.agent()).hz - AGENT_HZ), POLL).toBeLessThan(25);

  await ann.call.close({ code: 'caller-left', reason: 'Bye.' });
  await expect.poll(() => cid.call.room!.participants.map(({ name }) => name), POLL).toEqual(['Cid']);
  expect(cores[0]!.sessionCount).toBe(1);
  // One after the other: what two of them said meanwhile was kept.
  await expect.poll(() => [...agents[0]!.heard.keys()].sort(), PATIENT).toEqual(['Ann', 'Ben', 'Cid']);
});

test('when its core dies the room goes on at another, with everybody in it', async () => {
  const [one, two] = pops as [Edge, Edge];
  const [ann, cid] = [await enter(one, 'Ann', ANN_HZ), await enter(two, 'Cid', CID_HZ)];
  await hears(cid, 'Ann', ANN_HZ);
  await ann.call.room!.mute(true);
  await cores[0]!.close(END);
  await expect.poll(() => [ann.call.coreId, cid.call.coreId], POLL).toEqual(['core-2', 'core-2']);
  await expect.poll(() => cores[1]!.sessionCount, POLL).toBe(2);
  await expect.poll(() => agents[1]!.calls.length, POLL).toBe(1);
  await expect.poll(() => seen(cid, 'Ann')?.muted, POLL).toBe(true);
  await ann.call.room!.mute(false);
  await hears(cid, 'Ann', ANN_HZ);
  await hears(ann, 'Cid', CID_HZ);
  await expect.poll(async () => Math.abs((await cid.caller.agent()).hz - AGENT_HZ), POLL).toBeLessThan(25);
});

test('video reaches the caller of the same POP and the one of the other, also one who comes late', async () => {
  const [one, two] = pops as [Edge, Edge];
  const ann = await enter(one, 'Ann', ANN_HZ);
  const ben = await enter(one, 'Ben', BEN_HZ);
  ann.caller.show();
  const sees = async (by: Seated) => {
    await expect.poll(() => seen(by, 'Ann')?.video ?? null, POLL).not.toBeNull();
    const video = seen(by, 'Ann')!.video!;
    await by.caller.listenTo(video);
    await expect.poll(() => by.caller.seen(video), POLL).toBeGreaterThan(10);
  };
  await sees(ben);
  const cid = await enter(two, 'Cid', CID_HZ);
  await sees(cid);
});

test('a caller who comes back by another POP has its seat there, and the others hear it again', async () => {
  const [one, two] = pops as [Edge, Edge];
  const [ann, cid] = [await enter(one, 'Ann', ANN_HZ), await enter(two, 'Cid', CID_HZ)];
  await hears(ann, 'Cid', CID_HZ);
  const gone = new Promise((resolve) => cid.call.once('ended', resolve));
  const again = await enter(one, 'Cid', CID_HZ, { epoch: 2, adopt: true });
  expect(await gone).toMatchObject({ code: 'replaced' });
  expect(two.room('meeting')).toBeUndefined();
  await expect.poll(() => seen(ann, 'Cid')?.pop, POLL).toBe('pop-1');
  await hears(ann, 'Cid', CID_HZ);
  await hears(again, 'Ann', ANN_HZ);
  await expect.poll(async () => Math.abs((await again.caller.agent()).hz - AGENT_HZ), POLL).toBeLessThan(25);
  expect(agents[0]!.calls).toHaveLength(1);
  expect(cores[0]!.sessionCount).toBe(2);
});
