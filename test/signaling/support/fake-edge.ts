/** An edge that opens calls of no media: it notes what it is asked and says what the test has it say. */
import { EventEmitter } from 'node:events';
import type { ClientEvent } from '../../../src/agent/client-events.ts';
import { AntipodeError } from '../../../src/errors.ts';
import type {
  CallEvents,
  CallRequest,
  HandedOver,
  HandOverRequest,
  MediaCall,
  MediaEdge,
  RoomHere,
} from '../../../src/signaling/index.ts';

const FINGERPRINT = { algorithm: 'sha-256' as const, value: Array(32).fill('AB').join(':') };

function offered(transportId: string) {
  return {
    transportId,
    iceParameters: { usernameFragment: 'fragment', password: 'password', iceLite: true },
    iceCandidates: [],
    dtlsParameters: { role: 'auto' as const, fingerprints: [FINGERPRINT] },
  };
}

export class FakeCall extends EventEmitter<CallEvents> implements MediaCall {
  readonly request: CallRequest;
  mediaAlive = true;
  room: MediaCall['room'] = null;
  produced = 0;
  /** Everything that was asked of the call, in order. */
  readonly asked: string[] = [];
  /** What the next renewMedia() throws. */
  renewError: Error | null = null;
  #generation = 1;

  constructor(request: CallRequest) {
    super();
    this.request = request;
  }

  offer() {
    if (!this.mediaAlive) throw new AntipodeError('ERR_MEDIA_WORKER_DIED', 'The media is gone.');
    return {
      sendTransport: offered(`send-${this.#generation}`),
      recvTransport: offered(`recv-${this.#generation}`),
    };
  }

  async connectTransport(transportId: string) {
    this.asked.push(`connectTransport ${transportId}`);
  }

  async restartIce(transportId: string) {
    this.asked.push(`restartIce ${transportId}`);
    return { usernameFragment: 'restarted', password: 'password' };
  }

  async produce(transportId: string, _rtpParameters: unknown, kind: 'audio' | 'video' = 'audio') {
    if (kind === 'audio' && this.produced++ > 0) {
      throw new AntipodeError('ERR_MEDIA_STATE', 'The caller produces already.');
    }
    this.asked.push(`produce ${transportId}${kind === 'audio' ? '' : ' video'}`);
    return { producerId: 'producer-1' };
  }

  async consume(transportId: string, _rtpCapabilities: unknown, producerId?: string) {
    this.asked.push(`consume ${transportId}${producerId === undefined ? '' : ` of ${producerId}`}`);
    const codec = { mimeType: 'audio/opus', payloadType: 100, clockRate: 48_000, channels: 2 };
    return {
      consumerId: 'consumer-1',
      producerId: 'agent-1',
      kind: 'audio' as const,
      rtpParameters: { codecs: [codec], encodings: [{ ssrc: 1 }] },
    };
  }

  /** renewMedia() waits for this. */
  renewGate: Promise<void> = Promise.resolve();

  async renewMedia() {
    await this.renewGate;
    if (this.renewError) throw this.renewError;
    this.asked.push('renewMedia');
    this.#generation++;
    this.mediaAlive = true;
  }

  sendMessage(message: { type: string }) {
    this.asked.push(`message ${message.type}`);
  }

  callerConnection(state: string) {
    this.asked.push(`caller ${state}`);
  }

  async handOver({ to = 'core-2' }: HandOverRequest): Promise<HandedOver> {
    this.asked.push(`handOver ${to}`);
    const { mover, sessionId, core } = this.request;
    const target = await mover!({ sessionId, reason: 'order', from: core.nodeId, to });
    await target.taken(2);
    return { from: core.nodeId, to: target.core.nodeId, epoch: 2, gapMs: 12.4, atTurnBoundary: true };
  }

  async close(end: { code: string }) {
    this.asked.push(`close ${end.code}`);
  }

  /** A final transcript of the agent's. */
  say(text: string, id = text): void {
    const event: ClientEvent = { type: 'transcript', id, turn: 1, role: 'agent', text, final: true };
    this.emit('event', event);
  }
}

export class FakeEdge implements MediaEdge {
  readonly routerRtpCapabilities = {
    codecs: [{ kind: 'audio' as const, mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }],
  };
  readonly roomRtpCapabilities = {
    codecs: [
      ...this.routerRtpCapabilities.codecs,
      { kind: 'video' as const, mimeType: 'video/VP8', clockRate: 90_000 },
    ],
  };
  readonly rooms = new Map<string, RoomHere>();
  readonly calls: FakeCall[] = [];
  /** What the next openCall() throws. */
  openError: Error | null = null;
  /** What is done to a call before openCall() answers with it. */
  prepare: (call: FakeCall) => void = () => undefined;
  /** openCall() waits for this. */
  gate: Promise<void> = Promise.resolve();

  /** What its control channels measured. */
  measured: { coreNodeId: string; p50: number; p95: number }[] = [];

  room(name: string) {
    return this.rooms.get(name);
  }

  paths() {
    return this.measured;
  }

  async openCall(request: CallRequest): Promise<FakeCall> {
    await this.gate;
    if (this.openError) throw this.openError;
    const call = new FakeCall(request);
    this.calls.push(call);
    this.prepare(call);
    return call;
  }

  callOf(sessionId: string): FakeCall {
    const call = this.calls.find((candidate) => candidate.request.sessionId === sessionId);
    if (!call) throw new Error(`no call of ${sessionId}`);
    return call;
  }
}
