/**
 * One round trip to a language model that cannot hang: a model that gives nothing for long is given up, whatever it does
 * with its signal. Adapters have time-outs of their own; this one holds for every model that an agent brings.
 */
import type { Clock } from '../../clock.ts';
import { AntipodeError } from '../../errors.ts';
import { withNames } from '../context/index.ts';
import type { Llm, LlmEvent, LlmRequest } from '../services/llm.ts';
import { untilAborted } from '../until-aborted.ts';

export interface AskModelOptions {
  clock: Clock;
  /** Longest time between two events. */
  silenceTimeoutMs: number;
}

/**
 * What the model answers, as it comes. Leaving the loop early gives the request up.
 * @throws what the model throws; ERR_SERVICE_TIMEOUT; the request's signal's reason as soon as it is aborted
 */
export async function* askModel(llm: Llm, request: LlmRequest, options: AskModelOptions): AsyncGenerator<LlmEvent> {
  const { clock, silenceTimeoutMs } = options;
  const controller = new AbortController();
  const signal = AbortSignal.any([request.signal, controller.signal]);
  const events = llm.respond({ ...request, entries: withNames(request.entries), signal })[Symbol.asyncIterator]();
  let over = false;
  try {
    for (;;) {
      const timer = clock.setTimeout(() => {
        const words = `The language model ${llm.name} said nothing for ${silenceTimeoutMs} ms.`;
        controller.abort(new AntipodeError('ERR_SERVICE_TIMEOUT', words));
      }, silenceTimeoutMs);
      let next: IteratorResult<LlmEvent>;
      try {
        next = await untilAborted(events.next(), signal);
      } finally {
        timer.cancel();
      }
      if (next.done) {
        over = true;
        return;
      }
      yield next.value;
    }
  } finally {
    if (!over) {
      controller.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The answer is no longer wanted.'));
      // Not awaited: a model that ignores its signal would hold us up. Its failure after that is nobody's.
      events.return?.().catch(() => {});
    }
  }
}
