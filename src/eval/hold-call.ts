/**
 * Leads a call from its greeting to its end: a script or a played caller says what comes next. Owns the order of things
 * and the record of it; never rejects, for a call that failed is a result.
 */
import { asAntipodeError } from '../errors.ts';
import type { CallRecord, EvalCall, TurnRecord } from './eval-call.ts';
import type { ScriptedCaller } from './read-evals.ts';

/** Who thinks of what the caller says next. */
export interface NextWords {
  /** Null: the caller has nothing more to say and hangs up. */
  next(call: EvalCall): Promise<Saying | null>;
}

export interface Saying {
  readonly text: string;
  /** It came into the answer before. */
  readonly interrupts: boolean;
  /** The one after it comes so long into the answer; null: after it. */
  readonly cutAfterMs: number | null;
}

export function scriptedWords({ turns }: ScriptedCaller): NextWords {
  let at = 0;
  return {
    async next() {
      const turn = turns[at];
      if (turn === undefined) return null;
      at += 1;
      const cutAfterMs = turns[at]?.interruptAfterMs ?? null;
      return { text: turn.say, interrupts: turn.interruptAfterMs !== undefined, cutAfterMs };
    },
  };
}

/** @param call not open yet; closed afterwards */
export async function holdCall(call: EvalCall, words: NextWords): Promise<CallRecord> {
  const turns: TurnRecord[] = [];
  let failure: CallRecord['failure'] = null;
  let hungUp = false;
  const failed = (error: unknown) => {
    const { code, message } = asAntipodeError(error, 'ERR_CALL_FAILED', wordsOf(error));
    failure ??= { code, message };
  };
  try {
    await call.open();
    for (;;) {
      if (call.log.ended !== null) break;
      const saying = await words.next(call);
      if (saying === null) {
        hungUp = true;
        break;
      }
      turns.push(await call.say(saying.text, saying));
    }
  } catch (error) {
    failed(error);
  }
  const { ended, elapsedMs: durationMs } = call.log;
  if (ended !== null && ended.code !== 'agent-hung-up') {
    failed(asAntipodeError(null, 'ERR_CALL_FAILED', `the call ended (${ended.code}): ${ended.reason}`));
  }
  await call.close().catch(failed);
  const { lines, tools, notices } = call.log;
  const endedBy = ended?.code === 'agent-hung-up' ? 'agent' : hungUp ? 'caller' : null;
  return {
    turns,
    lines,
    tools,
    notices,
    endedBy,
    durationMs,
    audio: call.audio,
    callerLateMs: call.callerLateMs,
    failure,
  };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
