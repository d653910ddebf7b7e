/**
 * A worker's WebRtcServer on one UDP and one TCP port of the same number. Owns the choice of a free number for
 * `port: 0` (mediasoup would draw two different ones from the worker's range) and the words for a port that is taken.
 */
import { createServer } from 'node:net';
import type { WebRtcServer, Worker } from 'mediasoup/types';
import { AntipodeError } from '../errors.ts';

export interface WebRtcListenOptions {
  listenIp: string;
  /** UDP and TCP; 0 takes a number that is free for both. */
  port: number;
  /** Address that callers are told, when it is not listenIp. */
  announcedAddress: string | null;
}

/** Attempts at a number that the system called free for TCP and that may be taken for UDP, or be taken meanwhile. */
const FREE_PORT_ATTEMPTS = 20;

/**
 * @throws ERR_PORT_IN_USE naming address and port, ERR_CONFIG_INVALID for an address or port that this process can't
 * listen on
 */
export async function listenForCallers(
  worker: Worker,
  options: WebRtcListenOptions,
): Promise<{ server: WebRtcServer; port: number }> {
  if (options.port !== 0) return { server: await listenOn(worker, options, options.port), port: options.port };
  for (let attempt = 1; ; attempt++) {
    const port = await freeTcpPort(options.listenIp);
    try {
      return { server: await listenOn(worker, options, port), port };
    } catch (error) {
      const taken = error instanceof AntipodeError && error.code === 'ERR_PORT_IN_USE';
      if (!taken || attempt >= FREE_PORT_ATTEMPTS) throw error;
    }
  }
}

async function listenOn(worker: Worker, options: WebRtcListenOptions, port: number): Promise<WebRtcServer> {
  const common = { ip: options.listenIp, port, announcedAddress: options.announcedAddress ?? undefined };
  try {
    return await worker.createWebRtcServer({
      listenInfos: [
        { protocol: 'udp', ...common },
        { protocol: 'tcp', ...common },
      ],
    });
  } catch (error) {
    throw refusal(error, options.listenIp, port);
  }
}

function refusal(error: unknown, listenIp: string, port: number): unknown {
  const message = error instanceof Error ? error.message : '';
  const where = `${listenIp}:${port}`;
  if (/address already in use/i.test(message)) {
    return new AntipodeError('ERR_PORT_IN_USE', `Media port ${where} (UDP and TCP) is in use by another process.`, {
      cause: error,
    });
  }
  if (/address not available|permission denied|invalid ip|uv_ip[46]_addr/i.test(message)) {
    return new AntipodeError('ERR_CONFIG_INVALID', `Cannot listen for media on ${where}: ${message}`, { cause: error });
  }
  return error;
}

function freeTcpPort(listenIp: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRNOTAVAIL' || error.code === 'EINVAL' ? 'ERR_CONFIG_INVALID' : 'ERR_INTERNAL';
      reject(new AntipodeError(code, `Cannot listen for media on ${listenIp}: ${error.message}`, { cause: error }));
    });
    probe.listen({ host: listenIp, port: 0, exclusive: true }, () => {
      const address = probe.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
