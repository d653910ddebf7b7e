/**
 * A caller of this benchmark: a light caller behind a long way to the POP, who says a script again and again. Owns the way,
 * and writes down when each sound ended at the caller and when what the agent said began there.
 */
import { systemClock as clock } from '../../src/clock.ts';
import { UdpRelay } from '../../test/wan/udp-relay.ts';
import type { HeardSpurt, SaidSound } from '../fake-pop/messages.ts';
import type { RecordedScript } from '../fake-pop/script.ts';
import { LightCaller, makeSrtpKey } from '../light-caller/index.ts';
import type { LookerMetadata } from '../nodes/looker-metadata.ts';
import type { OpenedDoor } from '../nodes/messages.ts';
import type { SaidAndHeard } from '../turns.ts';
import type { CoreAddress, WideArea } from './wide-area.ts';

/** What comes after a hole of this length is another spurt, as it is for the POP's writer. */
const SPURT_GAP_MS = 60;

export interface SpeakerOptions {
  wideArea: WideArea;
  core: CoreAddress;
  sessionId: string;
  ssrc: number;
  metadata: LookerMetadata;
  script: RecordedScript;
  /** Round trip between the caller and the POP, ms. */
  accessMs: number;
}

export class Speaker implements AsyncDisposable {
  readonly sessionId: string;
  readonly #caller: LightCaller;
  readonly #relay: UdpRelay;
  readonly #script: RecordedScript;
  #log: SaidAndHeard = { sounds: [], spurts: [], told: [] };
  #spurt: HeardSpurt | null = null;

  private constructor(
    options: SpeakerOptions,
    relay: UdpRelay,
    door: OpenedDoor,
    localKey: ReturnType<typeof makeSrtpKey>,
  ) {
    this.sessionId = options.sessionId;
    this.#relay = relay;
    this.#script = options.script;
    this.#caller = new LightCaller({
      remote: { ip: '127.0.0.1', port: relay.port },
      localKey,
      remoteKey: door.key,
      ssrc: options.ssrc,
      payloadType: door.payloadType,
      signal: { packets: options.script.packets, chirpAt: 0 },
      measureTrips: false,
      onSent: (place, atMs) => this.#sent(place, atMs),
    });
    this.#caller.onFrame(({ sequenceNumber, atMs }) => this.#heard(sequenceNumber, atMs));
  }

  /** Opens the call and begins to speak. @throws what the POP or the core says */
  static async open(options: SpeakerOptions): Promise<Speaker> {
    const { wideArea, core, sessionId, ssrc, metadata, accessMs } = options;
    const localKey = makeSrtpKey();
    const door = await wideArea.pop.ask<OpenedDoor>({
      ...{ type: 'open', sessionId, agent: 'looker', callerKey: localKey, ssrc },
      ...{ core, metadata: { ...metadata }, keepTold: true },
    });
    const relay = await UdpRelay.open({ server: door, path: { delayMs: accessMs / 2 }, clock });
    const speaker = new Speaker(options, relay, door, localKey);
    await speaker.#caller.start();
    return speaker;
  }

  /** Forget what was written down up to now. */
  measureFromNow(): void {
    this.#log = { sounds: [], spurts: [], told: [] };
    this.#spurt = null;
    this.#caller.measureFromNow();
  }

  get log(): SaidAndHeard {
    return this.#log;
  }

  /** Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#caller.stop();
    await this.#relay[Symbol.asyncDispose]();
  }

  #sent(place: number, atMs: number): void {
    for (const [index, { kind, firstFrame, lastFrame }] of this.#script.sounds.entries()) {
      const say = (edge: SaidSound['edge']) => this.#log.sounds.push({ index, kind, edge, atMs });
      if (firstFrame === place) say('first');
      if (lastFrame === place) say('last');
    }
  }

  #heard(number: number, atMs: number): void {
    if (this.#spurt === null || atMs - this.#spurt.lastAtMs > SPURT_GAP_MS) {
      this.#spurt = { firstAtMs: atMs, lastAtMs: atMs, firstNumber: number, frames: 1 };
      this.#log.spurts.push(this.#spurt);
    } else {
      this.#spurt.lastAtMs = atMs;
      this.#spurt.frames += 1;
    }
  }
}
