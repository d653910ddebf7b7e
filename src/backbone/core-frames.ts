/**
 * What a core says on its control channel, as the POP takes it in: answers to the requests that wait, events of the shape
 * that this version knows. What is neither is ignored and counted. Owns no connection.
 */
import type { Logger } from '../telemetry/index.ts';
import type { BackboneMetrics } from './backbone-metrics.ts';
import { badData, type Frame } from './control-frame.ts';
import type { PendingRequests } from './pending-requests.ts';
import { type CoreEventData, type CoreEventName, coreEvents } from './protocol.ts';

export type CoreEventTuple = { [E in CoreEventName]: [name: E, data: CoreEventData<E>] }[CoreEventName];

export interface CoreFramesOptions {
  core: string;
  pending: PendingRequests;
  metrics: BackboneMetrics;
  log: Logger;
  /** Events count only while the channel is up. */
  isUp(): boolean;
  onEvent(...event: CoreEventTuple): void;
}

export class CoreFrames {
  readonly #options: CoreFramesOptions;

  constructor(options: CoreFramesOptions) {
    this.#options = options;
  }

  take(frame: Exclude<Frame, { kind: 'ping' | 'pong' }>): void {
    if (frame.kind === 'event') this.#event(frame.event, frame.data);
    else if (frame.kind === 'request') this.#ignored('request');
    else if (!this.#options.pending.answer(frame)) this.#ignored('answer');
  }

  #event(event: string, data: unknown): void {
    const { core, log, isUp, onEvent } = this.#options;
    if (!isUp() || !Object.hasOwn(coreEvents, event)) {
      this.#ignored('event-name');
      return;
    }
    const name = event as CoreEventName;
    const parsed = coreEvents[name].safeParse(data);
    if (!parsed.success) {
      log.warn({ core, event: name, reason: badData(name, parsed.error).message }, 'bad event');
      this.#ignored('event');
      return;
    }
    onEvent(...([name, parsed.data] as CoreEventTuple));
  }

  #ignored(kind: string): void {
    this.#options.metrics.ignored.inc({ side: 'pop', kind });
  }
}
