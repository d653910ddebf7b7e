/** A POP and a core as two processes on this machine, joined by their configuration alone; and light callers on them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resample } from '../../src/call/resample.ts';
import { readWav } from '../../src/call/wav.ts';
import { LightCaller, makeSrtpKey, OwnLag, recordProbeSignal } from '../light-caller/index.ts';
import { Child } from './child.ts';
import type { NodeAsk, NodeUsage, OpenedDoor } from './messages.ts';

const NODE_FILE = join(import.meta.dirname, 'node-process.ts');

export interface NodePair extends AsyncDisposable {
  /** Open calls and let light callers speak into them, their starts spread over a second. */
  callers(count: number, agent: string, measureTrips: boolean): Promise<LightCaller[]>;
  usage(): Promise<{ pop: NodeUsage; core: NodeUsage }>;
}

/** @param agentsDir from the root of the repository */
export async function startPair(agentsDir = 'agents'): Promise<NodePair> {
  const stateDir = await mkdtemp(join(tmpdir(), 'antipode-bench-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(stateDir, { recursive: true, force: true }));
  const core = stack.use(new Child<NodeAsk>({ name: 'core', file: NODE_FILE, args: ['core'] }));
  const pop = stack.use(new Child<NodeAsk>({ name: 'POP', file: NODE_FILE, args: ['pop'] }));
  const address = await core.ask<{ nodeId: string; host: string; port: number }>({
    type: 'start',
    stateDir,
    agentsDir,
    core: null,
  });
  await pop.ask({ type: 'start', stateDir, agentsDir, core: address });
  const { pcm, sampleRate } = await readWav(join(import.meta.dirname, '../../test/audio/book-table.wav'));
  const signal = await recordProbeSignal(resample(pcm, sampleRate, 48_000));
  const lag = new OwnLag();
  let opened = 0;
  const owned = stack.move();

  return {
    async callers(count, agent, measureTrips) {
      const callers: LightCaller[] = [];
      for (let index = 0; index < count; index++) {
        opened += 1;
        const localKey = makeSrtpKey();
        const ssrc = 1_000_000 + opened;
        const door = await pop.ask<OpenedDoor>({
          type: 'open',
          sessionId: `bench-${opened}`,
          agent,
          callerKey: localKey,
          ssrc,
        });
        const caller = new LightCaller({
          remote: { ip: door.ip, port: door.port },
          localKey,
          remoteKey: door.key,
          ssrc,
          payloadType: door.payloadType,
          signal,
          measureTrips,
          lag,
        });
        callers.push(caller);
      }
      // Callers know nothing of one another: their 20 ms begin at all times of the 20 ms, evenly.
      for (const caller of callers) {
        await caller.start();
        await new Promise((resolve) => setTimeout(resolve, 20 + 20 / count));
      }
      return callers;
    },
    async usage() {
      const [popUsage, coreUsage] = await Promise.all([
        pop.ask<NodeUsage>({ type: 'usage' }),
        core.ask<NodeUsage>({ type: 'usage' }),
      ]);
      return { pop: popUsage, core: coreUsage };
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([pop.ask({ type: 'close' }), core.ask({ type: 'close' })]);
      await owned.disposeAsync();
    },
  };
}
