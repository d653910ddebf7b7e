/** A POP and a core as two processes on this machine, joined by their configuration alone; and light callers on them. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resample } from '../../src/call/resample.ts';
import { readWav } from '../../src/call/wav.ts';
import { LightCaller, makeSrtpKey, OwnLag, recordProbeSignal } from '../light-caller/index.ts';
import type { FromNode, NodeUsage, OpenedDoor, ToNode } from './messages.ts';

class NodeProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();
  #asked = 0;

  constructor(role: 'pop' | 'core') {
    this.#child = fork(join(import.meta.dirname, 'node-process.ts'), [role], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message: FromNode) => {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if ('error' in message) waiting?.reject(new Error(`${role}: ${message.error}`));
      else waiting?.resolve(message.answer);
    });
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the ${role} process ended with ${code}`));
      this.#waiting.clear();
    });
  }

  ask<T>(ask: ToNode['ask']): Promise<T> {
    const id = ++this.#asked;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#child.send({ id, ask } satisfies ToNode);
    });
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    await this.ask({ type: 'close' });
    this.#child.disconnect();
    await ended;
  }
}

export interface NodePair extends AsyncDisposable {
  /** Open calls and let light callers speak into them, their starts spread over a second. */
  callers(count: number, agent: string, measureTrips: boolean): Promise<LightCaller[]>;
  usage(): Promise<{ pop: NodeUsage; core: NodeUsage }>;
}

/** @param agentsDir from the root of the repository */
export async function startPair(agentsDir = 'agents'): Promise<NodePair> {
  const stateDir = await mkdtemp(join(tmpdir(), 'antipode-bench-'));
  const core = new NodeProcess('core');
  const pop = new NodeProcess('pop');
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
      await pop.end();
      await core.end();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
