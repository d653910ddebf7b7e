/** The doctor's look at what the machine lends the server: its ports and a directory to write to. */
import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import type { DoctorCheck, DoctorOptions } from './check.ts';
import { firstLine } from './check.ts';

const HEALTH_TIMEOUT_MS = 1_000;

export async function probePorts({ config }: DoctorOptions): Promise<DoctorCheck[]> {
  const { host, port } = config.http;
  const { listenIp, mediaPort, workers } = config.edge;
  const httpError = await tryTcp(host, port);
  const running = httpError?.code === 'EADDRINUSE' && (await answersHealth(host, port));
  const checks = [
    checkPort({ name: 'http port', address: `${host}:${port}`, error: httpError, running, setting: 'PORT' }),
  ];
  for (let worker = 0; worker < workers; worker++) {
    const udpPort = mediaPort === 0 ? 0 : mediaPort + worker;
    const error = await tryUdp(listenIp, udpPort);
    const address = `${listenIp}:${udpPort}/udp`;
    checks.push(checkPort({ name: 'media port', address, error, running, setting: 'ANTIPODE_MEDIA_PORT' }));
  }
  return checks;
}

export interface PortFinding {
  name: string;
  address: string;
  /** Why it can't be listened on; undefined when it can. */
  error: NodeJS.ErrnoException | undefined;
  /** A server that answers /healthz holds the HTTP port. */
  running: boolean;
  /** The environment variable that chooses another port. */
  setting: string;
}

export function checkPort({ name, address, error, running, setting }: PortFinding): DoctorCheck {
  if (!error) return { name, status: 'ok', detail: `${address} is free` };
  if (error.code === 'EADDRINUSE' && running) {
    return { name, status: 'ok', detail: `${address} is in use by a server that answers /healthz` };
  }
  const reason = error.code === 'EADDRINUSE' ? 'is in use by another program' : `can't be used: ${firstLine(error)}`;
  return { name, status: 'fail', detail: `${address} ${reason}`, fix: `choose another with ${setting}` };
}

function tryTcp(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', done);
    server.listen({ host, port, exclusive: true }, () => server.close(() => done(undefined)));
  });
}

function tryUdp(address: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((done) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', (error) => {
      socket.close();
      done(error);
    });
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => done(undefined)));
  });
}

async function answersHealth(host: string, port: number): Promise<boolean> {
  const name = host.includes(':') ? `[${host}]` : host;
  try {
    const response = await fetch(`http://${name}:${port}/healthz`, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
    return response.ok;
  } catch {
    // Whatever holds the port does not speak HTTP, which is the answer to the question.
    return false;
  }
}

export async function probeStateDir({ config }: DoctorOptions): Promise<DoctorCheck[]> {
  const name = 'state directory';
  const directory = resolve(config.stateDir);
  const trial = join(directory, `.doctor-${randomUUID()}`);
  try {
    const made = await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(trial, 'trial');
    await rm(trial);
    if (made) await rmdir(directory);
    return [{ name, status: 'ok', detail: `${directory} can be written to` }];
  } catch (error) {
    const detail = `${directory} can't be written to: ${firstLine(error)}`;
    return [{ name, status: 'fail', detail, fix: 'make it writable, or choose another with ANTIPODE_STATE_DIR' }];
  }
}
