/**
 * docker-compose.yml by the parts of the Compose specification that it uses, strictly, and against the topology that its
 * containers run: each part of one is a service of the other, on the same ports. Owns these comparisons; starts nothing.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { partsOf } from '../../src/up/parts.ts';
import { readTopology } from '../../src/up/topology.ts';

const ROOT = join(import.meta.dirname, '../..');
const text = z.string().min(1);
const duration = z.string().regex(/^\d+(s|m)$/);

const serviceSchema = z.strictObject({
  image: z.string().regex(/^[^:]+:[^:]+$/, 'names no version'),
  build: z.strictObject({ context: text, args: z.record(text, text) }).optional(),
  command: z.array(z.string()).optional(),
  network_mode: text.optional(),
  restart: z.enum(['no', 'always', 'on-failure', 'unless-stopped']),
  stop_grace_period: duration.optional(),
  read_only: z.boolean().optional(),
  user: text.optional(),
  cap_drop: z.array(text).optional(),
  security_opt: z.array(text).optional(),
  tmpfs: z.array(text).optional(),
  environment: z.record(text, z.string()).optional(),
  ports: z
    .array(z.string().regex(/^127\.0\.0\.1:[\d-]+:[\d-]+(\/udp|\/tcp)?$/, 'must be of this machine only'))
    .optional(),
  volumes: z.array(text).optional(),
  configs: z.array(z.strictObject({ source: text, target: text })).optional(),
  healthcheck: z
    .union([
      z.strictObject({ disable: z.literal(true) }),
      z.strictObject({
        test: z.array(text),
        interval: duration.optional(),
        timeout: duration.optional(),
        retries: z.int().optional(),
      }),
    ])
    .optional(),
  depends_on: z.record(text, z.strictObject({ condition: z.enum(['service_started', 'service_healthy']) })).optional(),
});
const composeSchema = z.strictObject({
  name: text,
  'x-build': z.unknown(),
  'x-part': z.unknown(),
  services: z.record(text, serviceSchema),
  configs: z.record(text, z.strictObject({ content: text })),
  volumes: z.record(text, z.null()),
});

/** @param source text of a compose file; the repository's when absent */
export function checkCompose(source = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')): string[] {
  const result = composeSchema.safeParse(parse(source, { merge: true }));
  if (!result.success)
    return result.error.issues.map(({ path, message }) => `docker-compose.yml: ${path.join('.')}: ${message}`);
  const { services, configs, volumes } = result.data;
  const problems: string[] = [];
  for (const [name, service] of Object.entries(services)) {
    const where = `docker-compose.yml: ${name}`;
    const shared = service.network_mode?.replace('service:', '');
    if (shared !== undefined && !(shared in services))
      problems.push(`${where}: shares the network of "${shared}", which is no service`);
    if (shared !== undefined && service.ports !== undefined)
      problems.push(`${where}: ports belong to the service whose network it shares`);
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      if (!(other in services)) problems.push(`${where}: depends on "${other}", which is no service`);
      else if (condition === 'service_healthy' && !('test' in (services[other]!.healthcheck ?? {})))
        problems.push(`${where}: waits for "${other}" to be healthy, which tells nobody`);
    }
    for (const { source: config } of service.configs ?? [])
      if (!(config in configs)) problems.push(`${where}: there is no config "${config}"`);
    for (const volume of service.volumes ?? []) {
      const from = volume.split(':')[0]!;
      const isThere = from.startsWith('.') ? existsSync(join(ROOT, from)) : from in volumes;
      if (!isThere) problems.push(`${where}: there is no "${from}"`);
    }
  }
  return [...problems, ...checkTopology(services, configs)];
}

type Services = Readonly<Record<string, z.infer<typeof serviceSchema>>>;

function checkTopology(services: Services, configs: Readonly<Record<string, { content: string }>>): string[] {
  const commands = Object.entries(services).flatMap(([name, { command }]) =>
    command?.[0] === 'up' ? [{ name, command }] : [],
  );
  const files = [...new Set(commands.map(({ command }) => command[command.indexOf('--topology') + 1]!))];
  if (files.length !== 1) return [`docker-compose.yml: services run ${files.length} topologies`];
  const { topology } = readTopology(join(ROOT, files[0]!));
  const { nodes, redisPort, standInPort } = partsOf(topology);
  const wanted = ['wan', 'redis', ...(standInPort === null ? [] : ['stand-ins']), ...nodes.map(({ id }) => id)];
  const published = Object.values(services).flatMap(({ ports }) => ports ?? []);
  return [
    ...wanted
      .filter((name) => !(name in services))
      .map((name) => `docker-compose.yml: ${files[0]} has "${name}", which is no service`),
    ...commands
      .filter(({ name, command }) => command[command.indexOf('--only') + 1] !== name)
      .map(({ name }) => `docker-compose.yml: ${name} runs another part`),
    ...commands
      .filter(({ name }) => !wanted.includes(name))
      .map(({ name }) => `docker-compose.yml: ${files[0]} has no part "${name}"`),
    ...(services.redis?.command?.includes(String(redisPort))
      ? []
      : [`docker-compose.yml: redis does not listen on ${redisPort}`]),
    ...nodes.flatMap(({ id, role, port }) => {
      const { healthcheck } = services[id] ?? {};
      const test = healthcheck !== undefined && 'test' in healthcheck ? healthcheck.test : [];
      const media = topology.pops[id]?.mediaPort;
      return [
        ...(test.includes(String(port)) ? [] : [`docker-compose.yml: ${id}: its healthcheck does not ask ${port}`]),
        ...(configs.prometheus?.content.includes(`127.0.0.1:${port}`)
          ? []
          : [`docker-compose.yml: Prometheus does not ask ${id} at ${port}`]),
        ...(role === 'edge' && !covers(published, port, 'tcp')
          ? [`docker-compose.yml: ${id}: ${port} is not published`]
          : []),
        ...(media === undefined || ['udp', 'tcp'].every((protocol) => covers(published, media, protocol))
          ? []
          : [`docker-compose.yml: ${id}: media's ${media} is not published by UDP and TCP`]),
      ];
    }),
  ];
}

function covers(published: readonly string[], port: number, protocol: string): boolean {
  return published.some((each) => {
    const [, first, last = first, of = 'tcp'] = /:(\d+)(?:-(\d+))?(?:\/(udp|tcp))?$/.exec(each) ?? [];
    return of === protocol && Number(first) <= port && port <= Number(last);
  });
}
