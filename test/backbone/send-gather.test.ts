import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SendGather } from '../../src/backbone/send-gather.ts';

/** A process whose file descriptor 3 comes back on its standard output, as a media worker would read it. */
function startReader() {
  const { started: child, gather } = SendGather.around(() =>
    spawn('sh', ['-c', 'exec cat <&3'], { stdio: ['ignore', 'pipe', 'ignore', 'pipe'] }),
  );
  onTestFinished(async () => {
    pipe.destroy();
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill();
    await once(child, 'exit');
  });
  const pipe = child.stdio[3] as Socket;
  return { child, gather, pipe };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('gathering what is sent to a worker', () => {
  test('holds it to the end of the turn of the event loop, and no longer', async () => {
    const { gather, pipe } = startReader();
    gather.hold();
    pipe.write('one ');
    gather.hold();
    pipe.write('two ');
    expect(pipe.writableLength).toBe(8);
    await turn();
    expect(pipe.writableLength).toBe(0);
    pipe.write('three');
    expect(pipe.writableLength).toBe(0);
  });

  test('lets it out in the order of sending', async () => {
    const { child, gather, pipe } = startReader();
    let read = '';
    child.stdout?.on('data', (chunk: Buffer) => (read += chunk));
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 4; n++) {
        if (n > 0) gather.hold();
        pipe.write(`${round}.${n} `);
      }
      await turn();
    }
    while (read.length < 12 * 4) await once(child.stdout!, 'data');
    expect(read).toBe('0.0 0.1 0.2 0.3 1.0 1.1 1.2 1.3 2.0 2.1 2.2 2.3 ');
  });

  test('does nothing to a pipe that is gone', async () => {
    const { child, gather, pipe } = startReader();
    gather.hold();
    pipe.destroy();
    child.kill();
    await turn();
    gather.hold();
    await turn();
    expect(gather.works).toBe(true);
  });

  test('says that it has no pipe when no process, or one without a fourth pipe, was started', async () => {
    expect(SendGather.around(() => null).gather.works).toBe(false);
    const { started, gather } = SendGather.around(() => spawn('true', { stdio: 'ignore' }));
    await once(started, 'exit');
    expect(gather.works).toBe(false);
    gather.hold();
  });
});
