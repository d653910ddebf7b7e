/** What every language model behind an HTTP server is besides its words: where it asks, and its connections. */
import type { LlmEvent, LlmRequest } from '../llm.ts';
import type { ServiceServer } from '../service-server.ts';

export interface ServedModel {
  readonly name: string;
  readonly baseUrl: string;
  readonly model: string;
}

export abstract class ServerLlm<Server extends ServiceServer> {
  readonly name: string;
  /** Where requests go. */
  readonly baseUrl: string;
  readonly model: string;
  protected readonly server: Server;

  constructor({ name, baseUrl, model }: ServedModel, server: Server) {
    this.name = name;
    this.baseUrl = baseUrl;
    this.model = model;
    this.server = server;
  }

  /** As of `Llm`. */
  abstract respond(request: LlmRequest): AsyncIterable<LlmEvent>;

  /** Opens a connection (`ServiceServer.warm`). */
  warm(): void {
    this.server.warm();
  }

  /** Of `ServiceServer`. */
  connectMs(): number | null {
    return this.server.connectMs;
  }

  /** Ends what is under way. Idempotent. */
  close(): void {
    this.server.close();
  }
}
