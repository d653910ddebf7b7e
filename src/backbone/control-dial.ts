/** Opens the WebSocket from a POP to a core and makes sure that it is that core. Owns nothing once it is open. */
import { X509Certificate } from 'node:crypto';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { NodeIdentity } from './node-identity.ts';
import { peerIdentity } from './peer-identity.ts';
import { MAX_CONTROL_FRAME_BYTES } from './protocol.ts';

export interface DialCoreOptions {
  host: string;
  port: number;
  expectNodeId: string;
  identity: NodeIdentity;
  /** Address of this machine; the system's choice when absent or null. */
  dialFrom?: string | null | undefined;
  signal: AbortSignal;
}

export interface Dialed {
  readonly socket: WebSocket;
  /** When the first of the two certificates ends, Unix ms: ours as it was shown, and the core's. */
  readonly certificateEndsAtMs: number;
}

/**
 * @throws ERR_FORBIDDEN when the other end is not that core or refuses our certificate's role, ERR_BACKBONE_CLOSED when
 * there is no TLS connection to be had, the signal's reason
 */
export function dialCore(options: DialCoreOptions): Promise<Dialed> {
  const { host, port, expectNodeId, identity, dialFrom, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const tls: ConnectionOptions = {
      host,
      port,
      ...(dialFrom && { localAddress: dialFrom }),
      ca: identity.caPem,
      cert: identity.certPem,
      key: identity.keyPem,
      minVersion: 'TLSv1.3',
      rejectUnauthorized: true,
      servername: expectNodeId,
      // The name that counts is the node's, not the host's: nodes are found by address.
      checkServerIdentity: (_host, certificate) => {
        const peer = peerIdentity(certificate.subjectaltname);
        if (peer?.role === 'core' && peer.nodeId === expectNodeId) return undefined;
        const named = peer ? `${peer.role} ${peer.nodeId}` : 'no node of ours';
        return new AntipodeError('ERR_FORBIDDEN', `Expected core ${expectNodeId}; the certificate names ${named}.`);
      },
    };
    let connection: TLSSocket | null = null;
    const socket = new WebSocket(`wss://${host.includes(':') ? `[${host}]` : host}:${port}/`, {
      createConnection: () => {
        connection = connect(tls);
        return connection;
      },
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: MAX_CONTROL_FRAME_BYTES,
      followRedirects: false,
    });
    const settle = () => {
      signal.removeEventListener('abort', onAbort);
      socket.removeAllListeners();
      // From here to its end somebody must listen, or an error would end the process.
      socket.on('error', () => {});
    };
    const fail = (error: unknown) => {
      settle();
      socket.terminate();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('open', () => {
      settle();
      const ownEndsAtMs = new X509Certificate(tls.cert as string).validToDate.getTime();
      const endsAtMs = connection?.getPeerX509Certificate()?.validToDate.getTime() ?? ownEndsAtMs;
      resolve({ socket, certificateEndsAtMs: Math.min(ownEndsAtMs, endsAtMs) });
    });
    socket.once('error', (error) => {
      const words = `Core ${expectNodeId} can't be reached at ${host}:${port}: ${error.message}`;
      fail(asAntipodeError(error, 'ERR_BACKBONE_CLOSED', words));
    });
    socket.once('unexpected-response', (_request, response) => {
      response.resume();
      const forbidden = response.statusCode === 403;
      fail(
        new AntipodeError(
          forbidden ? 'ERR_FORBIDDEN' : 'ERR_BACKBONE_CLOSED',
          forbidden
            ? `Core ${expectNodeId} does not take node ${identity.nodeId} for a POP.`
            : `Core ${expectNodeId} answered with HTTP status ${response.statusCode}.`,
        ),
      );
    });
  });
}
