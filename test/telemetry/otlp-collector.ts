/** An OTLP/HTTP collector on loopback: takes batches of spans as JSON, checks their shape and keeps them. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

const valueSchema = z.union([
  z.strictObject({ stringValue: z.string() }).transform((value) => value.stringValue),
  z.strictObject({ intValue: z.union([z.number().int(), z.string()]) }).transform((value) => Number(value.intValue)),
  z.strictObject({ doubleValue: z.number() }).transform((value) => value.doubleValue),
  z.strictObject({ boolValue: z.boolean() }).transform((value) => value.boolValue),
]);
const attributesSchema = z
  .array(z.object({ key: z.string().min(1), value: valueSchema }))
  .default([])
  .transform(
    (all): Record<string, string | number | boolean> => Object.fromEntries(all.map(({ key, value }) => [key, value])),
  );
/** Nanoseconds since 1970 as a string, in milliseconds. */
const timeSchema = z
  .string()
  .regex(/^\d{19}$/)
  .transform((nanoseconds) => Number(BigInt(nanoseconds) / 1_000n) / 1_000);

const spanSchema = z.object({
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  spanId: z.string().regex(/^[0-9a-f]{16}$/),
  parentSpanId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  name: z.string().min(1),
  /** 1 internal, 3 client. */
  kind: z.number().int().min(1).max(5),
  startTimeUnixNano: timeSchema,
  endTimeUnixNano: timeSchema,
  attributes: attributesSchema,
  events: z.array(z.object({ name: z.string(), timeUnixNano: timeSchema, attributes: attributesSchema })).default([]),
  /** 2 is an error. */
  status: z.object({ code: z.number().int().default(0) }).default({ code: 0 }),
});

const requestSchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: attributesSchema }),
      scopeSpans: z.array(z.object({ scope: z.object({ name: z.string() }), spans: z.array(spanSchema) })),
    }),
  ),
});

export type CollectedSpan = z.infer<typeof spanSchema>;

export class OtlpCollector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  /** Of the last batch. */
  resource: Record<string, string | number | boolean> = {};
  /** Paths that were asked, in order. */
  readonly paths: string[] = [];
  /** Answer of every request; null leaves it without one. */
  status: number | null = 200;
  /** As it came, to search for what must not be there. */
  bodies = '';
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.paths.push(request.url ?? '');
        if (this.status === null) return;
        try {
          if (this.status === 200) this.#take(Buffer.concat(chunks).toString());
          response.writeHead(this.status, { 'content-type': 'application/json' }).end('{}');
        } catch (error) {
          response.writeHead(400).end(String(error));
        }
      });
    });
  }

  static async start(): Promise<OtlpCollector> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new OtlpCollector(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The only span of this name. */
  span(name: string): CollectedSpan {
    const found = this.spans.filter((span) => span.name === name);
    if (found.length !== 1)
      throw new Error(`${found.length} spans "${name}" of ${this.spans.map((span) => span.name)}`);
    return found[0]!;
  }

  #take(body: string): void {
    this.bodies += body;
    for (const { resource, scopeSpans } of requestSchema.parse(JSON.parse(body)).resourceSpans) {
      this.resource = resource.attributes;
      for (const { spans } of scopeSpans) this.spans.push(...spans);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Milliseconds that a span lasted. */
export function lengthMs(span: CollectedSpan): number {
  return Math.round((span.endTimeUnixNano - span.startTimeUnixNano) * 1_000) / 1_000;
}
