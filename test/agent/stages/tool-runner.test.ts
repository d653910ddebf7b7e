import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Tool } from '../../../src/agent/index.ts';
import { ToolRunner } from '../../../src/agent/stages/tool-runner.ts';
import { silentLogger } from '../../../src/telemetry/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

function setUp(run: Tool['run'], more: Partial<Tool> = {}) {
  const clock = new FakeClock();
  const reasons: string[] = [];
  const tool: Tool = { name: 'look', description: 'Looks.', parameters: z.object({ at: z.string() }), run, ...more };
  const runner = new ToolRunner({ call: { clock, log: silentLogger }, tools: [tool], hangUp: (r) => reasons.push(r) });
  const turn = new AbortController();
  const call = (written: string, name = 'look') =>
    runner.run({ type: 'tool-call', callId: '1', name, arguments: written }, turn.signal);
  return { clock, turn, call, reasons };
}

describe('ToolRunner', () => {
  test('gives a tool what the model wrote, validated, and the model what the tool said', async () => {
    const { call, reasons } = setUp((input, context) => {
      context.hangUpAfterReply('done');
      return `seen ${(input as { at: string }).at}`;
    });
    expect(await call('{"at":"home"}')).toBe('seen home');
    expect(reasons).toEqual(['done']);
  });

  test('answers the model, not the caller, when a call cannot be run', async () => {
    const { call } = setUp(() => 'never');
    expect(await call('{"at":1}')).toMatch(/^\{"error":"at: /);
    expect(await call('{at')).toBe('{"error":"the arguments are not JSON"}');
    expect(await call('{}', 'fly')).toBe('{"error":"there is no tool \\"fly\\""}');
  });

  test.each([
    ['throws', () => Promise.reject(new Error('secret'))],
    [
      'throws at once',
      () => {
        throw new Error('secret');
      },
    ],
  ])('keeps the words of a tool that %s to the log', async (_how, run) => {
    expect(await setUp(run).call('{"at":"home"}')).toBe('{"error":"it failed"}');
  });

  test('gives up a tool that never returns, tells it so, and leaves no timer', async () => {
    let signal: AbortSignal | null = null;
    const { clock, call } = setUp(
      (_input, context) => {
        signal = context.signal;
        return new Promise(() => {});
      },
      { timeoutMs: 300 },
    );
    const answer = call('{"at":"home"}');
    await settle();
    clock.advance(299);
    expect((signal as AbortSignal | null)?.aborted).toBe(false);
    clock.advance(1);
    expect(await answer).toBe('{"error":"it took too long"}');
    expect((signal as AbortSignal | null)?.aborted).toBe(true);
    expect(clock.pendingCount).toBe(0);
  });

  test('ends with the turn', async () => {
    let signal: AbortSignal | null = null;
    const { clock, turn, call } = setUp((_input, context) => {
      signal = context.signal;
      return new Promise(() => {});
    });
    const answer = call('{"at":"home"}');
    await settle();
    turn.abort('interrupted');
    expect(await answer).toBe('{"error":"it failed"}');
    expect((signal as AbortSignal | null)?.aborted).toBe(true);
    expect(clock.pendingCount).toBe(0);
  });

  test('cuts an answer that no model should be given whole', async () => {
    const answer = await setUp(() => 'x'.repeat(50_000)).call('{"at":"home"}');
    expect(answer.length).toBeLessThan(17_000);
    expect(answer.endsWith('[cut]')).toBe(true);
  });
});
