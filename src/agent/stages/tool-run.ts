/**
 * One run of one tool: until it ends, its time is over, or its turn is aborted, whichever comes first. What comes of it
 * afterwards is told to `onLate` and to nobody else. Owns the signal that the tool sees.
 */
import type { Clock } from '../../clock.ts';
import type { Tool } from '../services/llm.ts';

export const DEFAULT_TOOL_TIMEOUT_MS = 10_000;

export interface ToolRunOptions {
  tool: Tool;
  /** Its arguments, validated. */
  input: unknown;
  clock: Clock;
  /** Ends the run; null when nothing but time does. */
  signal: AbortSignal | null;
  /** The tool wants the call to end after the reply. */
  hangUp(reason: string): void;
  /** It ended after it was given up, by `lateMs`; `err` when it failed. */
  onLate(late: { lateMs: number; err?: unknown }): void;
}

export type ToolRunEnd =
  | { readonly outcome: 'ok'; readonly result: string }
  | { readonly outcome: 'failed'; readonly error: unknown }
  | { readonly outcome: 'timed-out'; readonly timeoutMs: number }
  | { readonly outcome: 'cancelled' };

/** Never rejects. */
export function runInTime({ tool, input, clock, signal, hangUp, onLate }: ToolRunOptions): Promise<ToolRunEnd> {
  const timeoutMs = tool.timeoutMs ?? DEFAULT_TOOL_TIMEOUT_MS;
  const controller = new AbortController();
  return new Promise((resolve) => {
    let givenUpAtMs: number | null = null;
    const release = () => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
    const giveUp = (end: ToolRunEnd, reason: unknown) => {
      release();
      givenUpAtMs = clock.now();
      resolve(end);
      controller.abort(reason);
    };
    const onAbort = () => giveUp({ outcome: 'cancelled' }, signal?.reason);
    const timer = clock.setTimeout(() => {
      giveUp({ outcome: 'timed-out', timeoutMs }, new DOMException(`No answer in ${timeoutMs} ms.`, 'TimeoutError'));
    }, timeoutMs);
    const end = (how: ToolRunEnd) => {
      if (givenUpAtMs === null) {
        release();
        resolve(how);
        return;
      }
      // A tool that heeds its signal rejects at once; only the others are worth a word.
      const lateMs = clock.now() - givenUpAtMs;
      if (how.outcome === 'ok') onLate({ lateMs });
      else if (how.outcome === 'failed' && lateMs > 0) onLate({ lateMs, err: how.error });
    };
    if (signal?.aborted) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    const context = {
      signal: controller.signal,
      hangUpAfterReply: (reason: string) => {
        if (givenUpAtMs === null) hangUp(reason);
      },
    };
    // In an async function, so that a tool that throws at once is one that rejects.
    void (async () => end({ outcome: 'ok', result: wordsOf(await tool.run(input, context)) }))().catch(
      (error: unknown) => end({ outcome: 'failed', error }),
    );
  });
}

/** Modules may be written without types: what is no text goes to the model as JSON. */
function wordsOf(result: unknown): string {
  return typeof result === 'string' ? result : (JSON.stringify(result) ?? 'null');
}
