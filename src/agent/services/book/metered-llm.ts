/** A language model whose requests are told to whoever watches: times, outcome, and the tokens that it counts itself. */
import type { Clock } from '../../../clock.ts';
import type { ServiceUsage } from '../../observe/observation.ts';
import type { Llm, LlmEvent, LlmRequest } from '../llm.ts';
import { type MeteredService, outcomeOf, ServiceMeter } from './service-meter.ts';

export class MeteredLlm implements Llm {
  readonly name: string;
  readonly #llm: Llm;
  readonly #service: MeteredService;
  readonly #clock: Clock;

  constructor(llm: Llm, { clock, ...service }: Omit<MeteredService, 'kind'> & { clock: Clock }) {
    this.name = service.service;
    this.#llm = llm;
    this.#service = { kind: 'llm', ...service };
    this.#clock = clock;
  }

  async *respond(request: LlmRequest): AsyncIterable<LlmEvent> {
    const meter = new ServiceMeter(this.#service, this.#clock, request.watch);
    let usage: ServiceUsage = {};
    try {
      for await (const event of this.#llm.respond(request)) {
        if (event.type === 'usage') usage = event.usage;
        else meter.came();
        yield event;
      }
      meter.ended('ok', usage);
    } catch (error) {
      meter.ended(outcomeOf(error, request.signal), usage);
      throw error;
    } finally {
      // Whoever asked wants no more of it.
      meter.ended('aborted', usage);
    }
  }
}
