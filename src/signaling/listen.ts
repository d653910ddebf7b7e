/**
 * Opens the listening sockets of an HTTP server. `localhost` means both loopback addresses, 127.0.0.1 and ::1, so that
 * whichever a browser tries first works; other hosts are one socket. A port that is taken is said in words.
 */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AntipodeError } from '../errors.ts';

export interface ListenOptions {
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** Makes one more server with the same handlers. */
  createServer(): Server;
}

export interface Listening {
  readonly servers: readonly Server[];
  readonly port: number;
}

/** How often a free port is tried that must be free on two addresses. */
const FREE_PORT_ATTEMPTS = 5;

/** @throws ERR_PORT_IN_USE | ERR_CONFIG_INVALID when the host or port can't be listened on */
export async function listen(options: ListenOptions): Promise<Listening> {
  if (options.host !== 'localhost') return listenAll(options, [options.host]);
  for (let attempt = 1; ; attempt++) {
    try {
      return await listenAll(options, ['127.0.0.1', '::1']);
    } catch (error) {
      const again = options.port === 0 && attempt < FREE_PORT_ATTEMPTS;
      if (!again || !(error instanceof AntipodeError) || error.code !== 'ERR_PORT_IN_USE') throw error;
    }
  }
}

async function listenAll(options: ListenOptions, hosts: readonly string[]): Promise<Listening> {
  const servers: Server[] = [];
  let { port } = options;
  try {
    for (const host of hosts) {
      const server = options.createServer();
      const opened = await listenOne(server, host, port, servers.length > 0);
      if (!opened) continue;
      servers.push(server);
      port = (server.address() as AddressInfo).port;
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return { servers, port };
}

/** False when this machine has no such address and that may be. */
function listenOne(server: Server, host: string, port: number, optional: boolean): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      if (optional && (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT')) resolve(false);
      else reject(explain(error, host, port));
    };
    server.once('error', onError);
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', onError);
      resolve(true);
    });
  });
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): AntipodeError {
  if (error.code === 'EADDRINUSE') {
    return new AntipodeError(
      'ERR_PORT_IN_USE',
      `Port ${port} on ${host} is in use, perhaps by another Antipode. Choose another with PORT=<number> or http.port, ` +
        'or 0 for any free one.',
      { path: 'http.port', cause: error },
    );
  }
  if (error.code === 'EACCES') {
    return new AntipodeError('ERR_CONFIG_INVALID', `Port ${port} needs rights that this process does not have.`, {
      path: 'http.port',
      cause: error,
    });
  }
  return new AntipodeError('ERR_CONFIG_INVALID', `Cannot listen on ${host}:${port}: ${error.message}`, {
    path: 'http.host',
    cause: error,
  });
}
