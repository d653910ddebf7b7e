/** A pod's settings out of its role's: the registry's region, and of a POP the public address and its name. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { nodeConfig } from '../../../infra/kubernetes/base/config/node-config.mjs';

const NAMES = '203.0.113.31=pop-1.ap-southeast-2.voice.example.com,203.0.113.32=pop-2.ap-southeast-2.voice.example.com';
const EDGE = { http: { host: '0.0.0.0', port: 8080 }, edge: { mediaPort: 44400 } };

/** EC2's metadata service, version 2: a token first, then the question. */
let metadata: Server;
let url: string;
let address = '203.0.113.32';
beforeAll(async () => {
  metadata = createServer((request, response) => {
    const isToken =
      request.method === 'PUT' &&
      request.url === '/latest/api/token' &&
      request.headers['x-aws-ec2-metadata-token-ttl-seconds'] === '60';
    if (isToken) return response.end('the-token');
    const isAllowed = request.headers['x-aws-ec2-metadata-token'] === 'the-token';
    if (!isAllowed) return response.writeHead(401).end();
    if (request.url !== '/latest/meta-data/public-ipv4' || address === '') return response.writeHead(404).end();
    return response.end(`${address}\n`);
  }).listen(0, '127.0.0.1');
  await once(metadata, 'listening');
  url = `http://127.0.0.1:${(metadata.address() as AddressInfo).port}`;
});
afterAll(() => new Promise<void>((resolve) => metadata.close(() => resolve())));

const made = (settings: Record<string, unknown>, env: Record<string, string>) =>
  nodeConfig(settings, { env: { METADATA_URL: url, REGISTRY_REGION: 'us-east-1', ...env }, fetch: globalThis.fetch });

describe('node-config.mjs', () => {
  test('asks the machine for its public address, and tells callers the name that belongs to it', async () => {
    address = '203.0.113.32';
    expect(await made(EDGE, { POP_NAMES: NAMES })).toEqual({
      http: { host: '0.0.0.0', port: 8080, publicUrl: 'https://pop-2.ap-southeast-2.voice.example.com' },
      edge: { mediaPort: 44400, announcedAddress: '203.0.113.32' },
      residency: { stores: { registry: 'us-east-1' } },
    });
  });

  test('refuses a machine whose address is none of the pool, and says which it has', async () => {
    address = '198.51.100.7';
    await expect(made(EDGE, { POP_NAMES: NAMES })).rejects.toThrow(
      "This machine's public address is 198.51.100.7, which has no name in POP_NAMES (203.0.113.31, 203.0.113.32).",
    );
  });

  test('refuses a machine without a public address', async () => {
    address = '';
    await expect(made(EDGE, { POP_NAMES: NAMES })).rejects.toThrow(
      'The metadata service answered 404 to /latest/meta-data/public-ipv4.',
    );
  });

  test('takes an address that is given, and a whole URL as its name', async () => {
    const { edge, http } = await made(EDGE, { POP_ADDRESS: '127.0.0.1', POP_NAMES: '127.0.0.1=http://localhost:8080' });
    expect([edge.announcedAddress, http.publicUrl]).toEqual(['127.0.0.1', 'http://localhost:8080']);
  });

  test('says of cores and placement where the registry stands, and asks nobody', async () => {
    const fetch = () => Promise.reject(new Error('nobody is to be asked'));
    const settings = { core: { controlPort: 7443 }, residency: { stores: { logs: 'eu-central-1' } } };
    expect(await nodeConfig(settings, { env: { REGISTRY_REGION: 'eu-central-1' }, fetch })).toEqual({
      core: { controlPort: 7443 },
      residency: { stores: { registry: 'eu-central-1', logs: 'eu-central-1' } },
    });
    await expect(nodeConfig(settings, { env: {}, fetch })).rejects.toThrow('REGISTRY_REGION is missing');
  });

  test('runs as a program, with the YAML package of the image', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'antipode-node-config-'));
    try {
      const program = new URL('../../../infra/kubernetes/base/config/node-config.mjs', import.meta.url).pathname;
      const [from, to] = [join(folder, 'from.yaml'), join(folder, 'to.yaml')];
      writeFileSync(from, 'core: { controlPort: 7443 }\n');
      const run = (env: Record<string, string>) => promisify(execFile)(process.execPath, [program, from, to], { env });
      const home = new URL('../../..', import.meta.url).pathname.replace(/\/$/, '');
      await run({ ANTIPODE_HOME: home, REGISTRY_REGION: 'eu-west-1' });
      expect(parse(readFileSync(to, 'utf8'))).toEqual({
        core: { controlPort: 7443 },
        residency: { stores: { registry: 'eu-west-1' } },
      });
      await expect(run({ ANTIPODE_HOME: home })).rejects.toMatchObject({
        code: 1,
        stderr: 'REGISTRY_REGION is missing: the region that the registry stands in.\n',
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
