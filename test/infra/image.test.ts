/** The image without a builder: its recipe names what is there, leaves the compiler behind, and its health check asks the right port. */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isHealthy, portOf } from '../../infra/image/healthcheck.mjs';
import { BUILD_PACKAGES } from '../../scripts/setup/system-packages.mjs';
import { configSchema } from '../../src/config/schema.ts';
import { ROLE_DEFAULTS } from '../../src/role-command.ts';

const ROOT = join(import.meta.dirname, '../..');
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ');
const stages = Object.fromEntries(
  dockerfile
    .split(/^FROM /m)
    .slice(1)
    .map((text) => [/ AS (\w+)/.exec(text)?.[1] ?? '', text]),
);

describe('the image', () => {
  test('is made in stages, the last of which has none of the packages that build the worker', () => {
    expect(Object.keys(stages)).toEqual(['base', 'worker', 'page', 'modules', 'runtime']);
    const names = BUILD_PACKAGES.map(({ name }) => name);
    expect(names.filter((name) => !stages.worker!.includes(` ${name}`))).toEqual([]);
    expect(
      names.filter((name) => new RegExp(` ${name.replaceAll('+', '\\+')}( |$)`, 'm').test(stages.runtime!)),
    ).toEqual([]);
  });

  test('runs the Node of the package, not as root, with one place to write', () => {
    expect(dockerfile).toContain('ARG NODE_IMAGE=node:24-bookworm-slim');
    expect(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).engines.node).toBe('>=24');
    expect(stages.runtime).toMatch(/^USER node$/m);
    expect(stages.runtime).toMatch(/^VOLUME \/var\/lib\/antipode$/m);
    expect(stages.runtime).toContain('ANTIPODE_STATE_DIR=/var/lib/antipode');
  });

  test('copies what is there and what .dockerignore lets through', () => {
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)]
      .flatMap(([, names]) => names!.split(' '))
      .filter((name) => name !== '.');
    expect(sources).toContain('src');
    const allowed = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
      .match(/^!(.+)$/gm)!
      .map((line) => line.slice(1));
    expect(sources.filter((name) => !existsSync(join(ROOT, name)))).toEqual([]);
    expect(sources.filter((name) => !allowed.includes(name))).toEqual([]);
  });

  test('names the ports that roles listen on when nobody says another', () => {
    const { http, edge } = configSchema.parse({});
    const exposed = /^EXPOSE (.+)$/m.exec(stages.runtime!)![1]!.split(' ');
    const wanted = [
      http.port,
      ROLE_DEFAULTS.core['http.port'],
      ROLE_DEFAULTS.placement['http.port'],
      edge.mediaPort,
    ].map((port) => `${port}/tcp`);
    expect(exposed).toEqual([...wanted, `${edge.mediaPort}/udp`, '7443/tcp']);
  });
});

describe('its health check', () => {
  test.each([
    ['edge', {}, 8080],
    ['dev', {}, 8080],
    ['core', {}, 8081],
    ['placement', {}, 8082],
    ['core', { PORT: '9000' }, 9000],
  ])('asks a container that runs %s with %j at %i', (role, env, port) => {
    expect(portOf(['node', 'scripts/antipode.mjs', role, '--config', '/settings/antipode.yaml'], env)).toBe(port);
  });

  test('is content with an answer of 200, and with nothing else', async () => {
    let status = 200;
    const server = createServer((request, response) =>
      response.writeHead(request.url === '/healthz' ? status : 404).end(),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await isHealthy(port)).toBe(true);
    status = 500;
    expect(await isHealthy(port)).toBe(false);
    await new Promise<void>((resolve) => server.close(() => resolve()));
    expect(await isHealthy(port)).toBe(false);
  });
});
