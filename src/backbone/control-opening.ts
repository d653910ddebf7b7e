/**
 * Opens one control connection from a POP to a core, by the first of its addresses that answers, up to the answered
 * hello. Owns the attempt; what is said on the connection, and what happens when it ends, is control-client.ts.
 */
import type { Clock, Timer } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { BackboneMetrics } from './backbone-metrics.ts';
import type { ControlAddress } from './control-address.ts';
import { type Dialed, dialCore } from './control-dial.ts';
import { requestText } from './control-frame.ts';
import { ControlLink, type ControlLinkLimits, type ControlLinkUser } from './control-link.ts';
import type { NodeIdentity } from './node-identity.ts';
import { PendingRequests } from './pending-requests.ts';
import { BACKBONE_PROTOCOL_MIN_VERSION, BACKBONE_PROTOCOL_VERSION } from './protocol.ts';

export interface OpeningOptions {
  /** The preferred one first. */
  addresses: readonly ControlAddress[];
  expectNodeId: string;
  identity: NodeIdentity;
  region: string;
  /** Address of this machine; the system's choice when absent or null. */
  dialFrom?: string | null | undefined;
  clock: Clock;
  metrics: BackboneMetrics;
  limits?: Partial<ControlLinkLimits> | undefined;
  suspectAfterMs?: number | undefined;
  /** Longest wait, from the first dialing to the answered hello. */
  timeoutMs: number;
  signal: AbortSignal;
  /** Another connection is up, and this one is to go on where that one is left: nothing is lost in between. */
  continues: boolean;
  /** The connection stands, and the core is told of it now. */
  onGreeting?(): void;
  /** Whom the link tells once it is open. */
  user(opened: Opened): ControlLinkUser;
}

export interface Opened {
  readonly link: ControlLink;
  readonly address: ControlAddress;
  /** Where the core says that it is. */
  readonly region: string;
  /** The core goes on where the other connection is left. */
  readonly continued: boolean;
  /** When the first of the two certificates ends, Unix ms. */
  readonly certificateEndsAtMs: number;
}

/** An address that has not answered by then gets company by the next one. */
const NEXT_ADDRESS_AFTER_MS = 250;

/**
 * @throws ERR_BACKBONE_CLOSED, ERR_BACKBONE_TIMEOUT, ERR_FORBIDDEN when either end's certificate is not what the other
 * expects, ERR_BACKBONE_VERSION with what both ends speak, the signal's reason
 */
export async function openConnection(options: OpeningOptions): Promise<Opened> {
  const { clock, timeoutMs, expectNodeId } = options;
  const deadline = new AbortController();
  const timer: Timer = clock.setTimeout(() => {
    deadline.abort(new AntipodeError('ERR_BACKBONE_TIMEOUT', `Core ${expectNodeId} did not answer in time.`));
  }, timeoutMs);
  const signal = AbortSignal.any([deadline.signal, options.signal]);
  try {
    const { address, ...dialed } = await dialFirst(options, signal);
    return await greet(options, dialed, address, signal);
  } catch (error) {
    throw asAntipodeError(error, 'ERR_BACKBONE_CLOSED', `Core ${expectNodeId} can't be reached.`);
  } finally {
    timer.cancel();
  }
}

/** The first address that answers; a later one is dialed when those before it failed or are slow. */
async function dialFirst(
  { addresses, expectNodeId, identity, dialFrom, clock }: OpeningOptions,
  signal: AbortSignal,
): Promise<Dialed & { address: ControlAddress }> {
  const [first, ...others] = addresses;
  if (first === undefined) throw new AntipodeError('ERR_BACKBONE_CLOSED', `Core ${expectNodeId} has no address.`);
  const dial = (address: ControlAddress, by: AbortSignal) => {
    const { host, port } = address;
    return dialCore({ host, port, expectNodeId, identity, dialFrom, signal: by }).then((dialed) => ({
      ...dialed,
      address,
    }));
  };
  if (others.length === 0) return dial(first, signal);
  return new Promise((resolve, reject) => {
    const rest = new AbortController();
    const waiting = [...addresses];
    let underWay = 0;
    let isOver = false;
    let timer: Timer | null = null;
    const next = () => {
      timer?.cancel();
      const address = waiting.shift();
      if (isOver || address === undefined) return;
      underWay += 1;
      if (waiting.length > 0) timer = clock.setTimeout(next, NEXT_ADDRESS_AFTER_MS);
      dial(address, AbortSignal.any([signal, rest.signal])).then(
        (found) => {
          if (isOver) {
            found.socket.terminate();
            return;
          }
          isOver = true;
          timer?.cancel();
          rest.abort(new AntipodeError('ERR_BACKBONE_CLOSED', 'Another address answered first.'));
          resolve(found);
        },
        (error: unknown) => {
          underWay -= 1;
          if (isOver) return;
          if (waiting.length > 0 && !signal.aborted) next();
          else if (underWay === 0 || signal.aborted) {
            isOver = true;
            timer?.cancel();
            reject(error);
          }
        },
      );
    };
    next();
  });
}

async function greet(
  options: OpeningOptions,
  { socket, certificateEndsAtMs }: Dialed,
  address: ControlAddress,
  signal: AbortSignal,
): Promise<Opened> {
  const { clock, metrics, limits, suspectAfterMs, expectNodeId, identity, region, continues } = options;
  const hello = new PendingRequests(clock);
  const link = new ControlLink({
    ...{ socket, side: 'pop', clock, metrics, limits, suspectAfterMs },
    onFrame: (frame) => {
      if (frame.kind !== 'answer' || !hello.answer(frame)) metrics.ignored.inc({ side: 'pop', kind: frame.kind });
    },
    onClose: (_reason, error) => hello.failAll(error),
  });
  try {
    signal.throwIfAborted();
    options.onGreeting?.();
    const data = {
      version: BACKBONE_PROTOCOL_VERSION,
      minVersion: BACKBONE_PROTOCOL_MIN_VERSION,
      nodeId: identity.nodeId,
      region,
      ...(continues && { continues }),
    };
    const answer = await hello.ask({
      method: 'hello',
      timeoutMs: options.timeoutMs,
      signal,
      send: (id) => void link.send(requestText(id, 'hello', data)),
    });
    if (answer.version > BACKBONE_PROTOCOL_VERSION || answer.version < BACKBONE_PROTOCOL_MIN_VERSION) {
      const ours = `${BACKBONE_PROTOCOL_MIN_VERSION} to ${BACKBONE_PROTOCOL_VERSION}`;
      const words = `Core ${expectNodeId} answers in backbone protocol ${answer.version}; this POP speaks ${ours}.`;
      throw new AntipodeError('ERR_BACKBONE_VERSION', words);
    }
    if (answer.nodeId !== expectNodeId) {
      throw new AntipodeError('ERR_FORBIDDEN', `The core calls itself ${answer.nodeId}, not ${expectNodeId}.`);
    }
    // Lost or closed in the moment between the answer and now.
    if (link.closed) throw new AntipodeError('ERR_BACKBONE_CLOSED', `The channel to core ${expectNodeId} ended.`);
    const opened = { link, address, region: answer.region, continued: answer.continued ?? false, certificateEndsAtMs };
    link.handOver(options.user(opened));
    return opened;
  } catch (error) {
    link.close('closed');
    throw error;
  }
}
