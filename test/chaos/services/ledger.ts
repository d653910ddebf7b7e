/**
 * Where the chaos agent's tool writes down its runs, and what the language model was asked: the two things that only
 * somebody outside of every node can know. Served over HTTP, since those who write are in other processes.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { AskedOf } from './brain.ts';

/** So long a tool takes: that some are under way when something is struck. */
const RUN_MS = 400;

const runSchema = z.object({ call: z.number(), key: z.number() });

/** What is known of one call. */
export const ledgerEntrySchema = z.object({
  /** Caller's words that any request to the model had. */
  heard: z.array(z.number()),
  /** Caller's words that stood twice in one request. */
  heardTwice: z.array(z.number()),
  /** Keys of the tool's runs, in order. */
  runs: z.array(z.number()),
  requests: z.number(),
  /** The caller's turns in the last request, for who looks into what became of a word. */
  turns: z.array(z.array(z.number())),
});
export type LedgerEntry = z.infer<typeof ledgerEntrySchema>;
export const ledgerSchema = z.record(z.string(), ledgerEntrySchema);

interface OpenEntry {
  heard: Set<number>;
  heardTwice: Set<number>;
  runs: number[];
  requests: number;
  turns: readonly (readonly number[])[];
}

export class Ledger implements AsyncDisposable {
  readonly #server: Server;
  readonly #entries = new Map<number, OpenEntry>();

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request).then(
        (text) => response.end(text),
        (error: Error) => response.writeHead(400).end(error.message),
      );
    });
  }

  static async start(): Promise<Ledger> {
    const ledger = new Ledger();
    await new Promise<void>((resolve) => ledger.#server.listen(0, '127.0.0.1', resolve));
    return ledger;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  asked({ call, callerWords, turns }: AskedOf): void {
    if (call === null) return;
    const entry = this.#entry(call);
    entry.requests += 1;
    entry.turns = turns;
    for (const [index, word] of callerWords.entries()) {
      entry.heard.add(word);
      if (callerWords.indexOf(word) !== index) entry.heardTwice.add(word);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage): Promise<string> {
    if (request.method === 'GET') return JSON.stringify(this.#told());
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { call, key } = runSchema.parse(JSON.parse(Buffer.concat(chunks).toString()));
    // Begun is run: what the world has seen can't be taken back.
    this.#entry(call).runs.push(key);
    await sleep(RUN_MS);
    return 'Written down.';
  }

  #told(): Record<string, LedgerEntry> {
    const told: Record<string, LedgerEntry> = {};
    for (const [call, { heard, heardTwice, runs, requests, turns }] of this.#entries) {
      told[call] = {
        heard: [...heard],
        heardTwice: [...heardTwice],
        runs,
        requests,
        turns: turns.map((words) => [...words]),
      };
    }
    return told;
  }

  #entry(call: number): OpenEntry {
    const known = this.#entries.get(call);
    if (known !== undefined) return known;
    const entry = { heard: new Set<number>(), heardTwice: new Set<number>(), runs: [], requests: 0, turns: [] };
    this.#entries.set(call, entry);
    return entry;
  }
}
