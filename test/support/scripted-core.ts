/**
 * A core for tests of the edge: a real worker, real pipes and a real control server, and in place of sessions a script
 * that says what the test wants and writes down what it hears.
 */
import type { Producer } from 'mediasoup/types';
import type { ClientEvent, SessionEnd } from '../../src/agent/client-events.ts';
import {
  buildRtp,
  ControlServer,
  type CoreEventData,
  type CoreHandlers,
  type DevelopmentCa,
  type HandledPopRequestMethod,
  MediaPipe,
  type MediaWorker,
  opusProducerParameters,
  PIPE_OPUS_PAYLOAD_TYPE,
  type PopEventData,
  type PopEventName,
  type PopPeer,
  type PopRequestAnswer,
  type PopRequestData,
  parseRtp,
  type RtpView,
} from '../../src/backbone/index.ts';
import { systemClock } from '../../src/clock.ts';
import { AntipodeError } from '../../src/errors.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { startWorker } from '../backbone/support/workers.ts';

export interface ScriptedSession {
  readonly attach: PopRequestData<'session.attach'>;
  /** The caller's packets, in order of arrival. */
  readonly heard: RtpView[];
  readonly played: PopEventData<'session.played'>[];
  readonly messages: PopEventData<'session.message'>['message'][];
  readonly callerStates: string[];
  readonly ducked: PopEventData<'reflex.ducked'>[];
  readonly muted: boolean[];
  readonly orders: PopEventData<'room.order'>[];
  /** Its video on the pipe, as it was published last. */
  video: PopRequestData<'room.publish'>['stream'] | null;
  readyCount: number;
  repipeCount: number;
  end: SessionEnd | null;
}

interface Running extends ScriptedSession {
  downlink: Producer | null;
  nextSeq: number;
  timestamp: number;
}

const SSRC = 4_242;

export class ScriptedCore implements CoreHandlers, AsyncDisposable {
  static readonly nodeId = 'core-1';
  readonly worker: MediaWorker;
  readonly sessions = new Map<string, ScriptedSession>();
  readonly pipes = new Map<string, MediaPipe>();
  /** Requests by method, to count them. */
  readonly asked: HandledPopRequestMethod[] = [];
  /** Throws from the next `session.attach`. */
  refuseAttach: AntipodeError | null = null;
  port = 0;
  readonly #ca: DevelopmentCa;
  #server: ControlServer | null = null;
  #peer: PopPeer | null = null;
  #ssrc = SSRC;

  private constructor(worker: MediaWorker, ca: DevelopmentCa) {
    this.worker = worker;
    this.#ca = ca;
  }

  static async start(ca: DevelopmentCa): Promise<ScriptedCore> {
    const core = new ScriptedCore(await startWorker('scripted-core'), ca);
    await core.listen();
    return core;
  }

  get address() {
    return { nodeId: ScriptedCore.nodeId, host: '127.0.0.1', port: this.port };
  }

  /** Opens the control port, the same as before after `hangUp`. */
  async listen(): Promise<void> {
    this.#server = await ControlServer.listen({
      host: '127.0.0.1',
      port: this.port,
      identity: await this.#ca.issue({ nodeId: ScriptedCore.nodeId, role: 'core' }),
      region: 'home',
      clock: systemClock,
      log: silentLogger,
      metrics: createMetrics({ processMetrics: false }),
      handlers: this,
    });
    this.port = this.#server.port;
  }

  /** Closes the control port and its connections. */
  async hangUp(): Promise<void> {
    await this.#server?.close();
  }

  session(sessionId: string): ScriptedSession {
    const session = this.sessions.get(sessionId);
    if (!session) throw new Error(`the core has no session ${sessionId}`);
    return session;
  }

  /** One 20 ms frame of the agent's voice, of Opus silence. */
  say(sessionId: string, payload = Buffer.from([0xf8, 0xff, 0xfe])): void {
    const session = this.session(sessionId) as Running;
    const producer = session.downlink;
    const ssrc = producer?.rtpParameters.encodings?.[0]?.ssrc;
    if (!producer || ssrc === undefined || producer.closed) return;
    producer.send(
      buildRtp({
        payloadType: PIPE_OPUS_PAYLOAD_TYPE,
        marker: false,
        sequenceNumber: session.nextSeq++,
        timestamp: session.timestamp,
        ssrc,
        payload,
      }),
    );
    session.timestamp += 960;
  }

  tell(sessionId: string, event: ClientEvent, epoch = this.session(sessionId).attach.epoch): void {
    this.#peer?.send('session.event', { sessionId, epoch, event });
  }

  /** Lets the POP silence the agent, or not any more. */
  arm(sessionId: string, armed: boolean): void {
    this.#peer?.send('reflex.armed', { sessionId, epoch: this.session(sessionId).attach.epoch, armed });
  }

  /** Says what the newest duck was. */
  answer(sessionId: string, verdict: 'pending' | 'rejected'): void {
    const { attach, ducked } = this.session(sessionId);
    this.#peer?.send('reflex.answered', { sessionId, epoch: attach.epoch, duck: ducked.length, verdict });
  }

  /** Cuts off all that the agent has said. */
  flush(sessionId: string): void {
    const { attach, timestamp } = this.session(sessionId) as Running;
    this.#peer?.send('session.flush', { sessionId, epoch: attach.epoch, beforeTimestamp: timestamp });
  }

  end(sessionId: string, end: SessionEnd): void {
    this.#peer?.send('session.ended', { sessionId, epoch: this.session(sessionId).attach.epoch, end });
  }

  /** What is told of a room. */
  tellRoom<E extends 'room.members' | 'room.stream' | 'room.stream-closed' | 'room.ordered'>(
    event: E,
    data: CoreEventData<E>,
  ): void {
    this.#peer?.send(event, data);
  }

  async request<M extends HandledPopRequestMethod>(
    peer: PopPeer,
    method: M,
    data: PopRequestData<M>,
  ): Promise<PopRequestAnswer<M>> {
    this.asked.push(method);
    return (await this.#answer(peer, method, data)) as PopRequestAnswer<M>;
  }

  event<E extends PopEventName>(_peer: PopPeer, event: E, data: PopEventData<E>): void {
    const session = this.sessions.get(data.sessionId);
    if (!session) return;
    if (event === 'session.played') session.played.push(data as PopEventData<'session.played'>);
    else if (event === 'session.message') session.messages.push((data as PopEventData<'session.message'>).message);
    else if (event === 'reflex.ducked') session.ducked.push(data as PopEventData<'reflex.ducked'>);
    else if (event === 'session.muted') session.muted.push((data as PopEventData<'session.muted'>).muted);
    else if (event === 'room.order') session.orders.push(data as PopEventData<'room.order'>);
    else session.callerStates.push((data as PopEventData<'session.caller'>).state);
  }

  peerOpened(peer: PopPeer): void {
    this.#peer = peer;
  }

  peerClosed(peer: PopPeer): void {
    if (this.#peer === peer) this.#peer = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hangUp();
    await this.worker.close();
  }

  async #answer(peer: PopPeer, method: HandledPopRequestMethod, data: unknown): Promise<unknown> {
    switch (method) {
      case 'pipe.open':
        return this.#openPipe(peer, data as PopRequestData<'pipe.open'>);
      case 'pipe.probe':
        return this.#echo(data as PopRequestData<'pipe.probe'>);
      case 'pipe.close':
        this.pipes.get((data as PopRequestData<'pipe.close'>).pipeId)?.close();
        return {};
      case 'session.attach':
        return this.#attach(data as PopRequestData<'session.attach'>);
      case 'session.repipe':
        return this.#repipe(data as PopRequestData<'session.repipe'>);
      case 'session.ready':
        this.#known(data).readyCount += 1;
        return {};
      case 'room.publish':
        this.#known(data).video = (data as PopRequestData<'room.publish'>).stream;
        return {};
      case 'room.unpublish':
        this.#known(data).video = null;
        return {};
      case 'session.detach':
        this.#known(data).end = (data as PopRequestData<'session.detach'>).end;
        return {};
    }
  }

  async #openPipe(peer: PopPeer, data: PopRequestData<'pipe.open'>): Promise<unknown> {
    const options = { pipeId: data.pipeId, listenIp: '127.0.0.1', announcedAddress: null };
    const pipe = await MediaPipe.create(this.worker, options);
    await pipe.connect(data);
    this.pipes.set(data.pipeId, pipe);
    pipe.onClose((reason) => {
      this.pipes.delete(data.pipeId);
      if (reason === 'worker-died') peer.send('pipe.closed', { pipeId: data.pipeId });
    });
    return pipe.local;
  }

  async #echo({ pipeId, stream }: PopRequestData<'pipe.probe'>): Promise<unknown> {
    const pipe = this.pipes.get(pipeId);
    if (!pipe) throw new AntipodeError('ERR_MEDIA_STATE', `There is no pipe ${pipeId}.`);
    return { stream: (await pipe.send(await pipe.receive(stream))).stream };
  }

  async #attach(data: PopRequestData<'session.attach'>): Promise<unknown> {
    if (this.refuseAttach) throw this.refuseAttach;
    const session: Running = {
      attach: data,
      heard: [],
      played: [],
      messages: [],
      callerStates: [],
      ducked: [],
      muted: [],
      orders: [],
      video: null,
      readyCount: 0,
      repipeCount: 0,
      end: null,
      downlink: null,
      nextSeq: 1,
      timestamp: 0,
    };
    this.sessions.set(data.sessionId, session);
    return this.#join(session, data.pipeId, data.uplink);
  }

  async #repipe(data: PopRequestData<'session.repipe'>): Promise<unknown> {
    const session = this.#known(data);
    const answer = await this.#join(session, data.pipeId, data.uplink);
    session.repipeCount += 1;
    return answer;
  }

  async #join(session: Running, pipeId: string, uplink: PopRequestData<'session.attach'>['uplink']): Promise<unknown> {
    const pipe = this.pipes.get(pipeId);
    if (!pipe) throw new AntipodeError('ERR_MEDIA_STATE', `There is no pipe ${pipeId}.`);
    const { direct, router } = this.worker;
    const producer = await pipe.receive(uplink);
    const consumer = await direct.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
    consumer.on('rtp', (packet) => session.heard.push(parseRtp(packet) as RtpView));
    session.downlink = await direct.produce({ kind: 'audio', rtpParameters: opusProducerParameters(this.#ssrc++) });
    const sent = await pipe.send(session.downlink);
    return { downlink: sent.stream };
  }

  #known(data: unknown): Running {
    const session = this.sessions.get((data as { sessionId: string }).sessionId);
    if (!session) throw new AntipodeError('ERR_SESSION_UNKNOWN', 'There is no such session.');
    return session as Running;
  }
}
