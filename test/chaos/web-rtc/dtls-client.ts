/**
 * The client's side of a DTLS 1.2 handshake (RFC 6347), and nothing after it but the keys for SRTP (RFC 5764): as much as
 * a cheap WebRTC caller needs. One cipher suite, one curve, one SRTP profile; the server is known by the fingerprint of
 * its certificate, as in WebRTC. Owns no socket: packets go in by `receive` and out by `send`.
 */
import { createECDH, createHash, type ECDH, randomBytes, sign, X509Certificate } from 'node:crypto';
import type { CallerIdentity } from './caller-identity.ts';
import { DtlsKeys, type ExportedSrtpKeys } from './dtls-keys.ts';

const VERSION = Buffer.of(0xfe, 0xfd);
const RECORD = { changeCipherSpec: 20, alert: 21, handshake: 22 } as const;
const MESSAGE = {
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  certificate: 11,
  serverKeyExchange: 12,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const;
/** ECDHE_ECDSA and ECDHE_RSA with AES_128_GCM_SHA256, and the word that we know of secure renegotiation. */
const CIPHER_SUITES = Buffer.from('c02bc02f00ff', 'hex');
/** P-256; uncompressed points; ECDSA, RSA-PSS and RSA with SHA-256; SRTP_AEAD_AES_128_GCM without MKI. */
const EXTENSIONS = Buffer.concat([
  extension(10, Buffer.from('00020017', 'hex')),
  extension(11, Buffer.from('0100', 'hex')),
  extension(13, Buffer.from('0006040308040401', 'hex')),
  extension(14, Buffer.from('0002000700', 'hex')),
]);
const P256 = 23;

export interface DtlsClientOptions {
  identity: CallerIdentity;
  /** SHA-256 of the server's certificate, `AB:CD:...`. */
  serverFingerprint: string;
  send(packet: Buffer): void;
}

interface Message {
  readonly type: number;
  readonly body: Buffer;
}

export class DtlsClient {
  readonly #options: DtlsClientOptions;
  readonly #random = randomBytes(32);
  readonly #ecdh: ECDH = createECDH('prime256v1');
  readonly #done = Promise.withResolvers<ExportedSrtpKeys>();
  /** What both Finished messages are made of. */
  #transcript: Buffer[] = [];
  /** Pieces of messages that are not whole, by their number. */
  readonly #pieces = new Map<number, { type: number; body: Buffer; have: number }>();
  #nextMessage = 0;
  #ownMessage = 0;
  #recordNumber = 0;
  #epoch = 0;
  #flight: (() => void)[] = [];
  #serverRandom = Buffer.alloc(0);
  #serverPoint: Buffer | null = null;
  #keys: DtlsKeys | null = null;

  constructor(options: DtlsClientOptions) {
    this.#options = options;
    this.#ecdh.generateKeys();
    this.#done.promise.catch(() => {});
  }

  /** Resolves with the keys for SRTP. @throws Error when the server refuses, or is another than it says */
  get keys(): Promise<ExportedSrtpKeys> {
    return this.#done.promise;
  }

  start(): void {
    this.#hello(Buffer.alloc(0));
  }

  /** Say the last flight again: what was lost is not known by anything else than an answer that does not come. */
  again(): void {
    for (const send of this.#flight) send();
  }

  /** A packet of the server's whose first byte is 20 to 63 (RFC 7983). */
  receive(packet: Buffer): void {
    try {
      for (let at = 0; at + 13 <= packet.length; ) {
        const end = at + 13 + packet.readUInt16BE(at + 11);
        this.#record(packet[at]!, packet.subarray(at + 3, at + 11), packet.subarray(at + 13, end));
        at = end;
      }
    } catch (error) {
      this.#done.reject(error as Error);
    }
  }

  close(): void {
    this.#done.reject(new Error('the handshake was given up'));
  }

  #record(type: number, sequence: Buffer, fragment: Buffer): void {
    const isSealed = sequence.readUInt16BE(0) > 0;
    if (isSealed && this.#keys === null) return;
    const plain = isSealed ? this.#keys!.open(fragment, type, sequence) : fragment;
    if (type === RECORD.alert && plain[0] === 2) throw new Error(`the server refuses DTLS with alert ${plain[1]}`);
    if (type === RECORD.handshake) this.#handshake(plain);
  }

  #handshake(record: Buffer): void {
    for (let at = 0; at + 12 <= record.length; ) {
      const [length, number] = [record.readUIntBE(at + 1, 3), record.readUInt16BE(at + 4)];
      const [offset, size] = [record.readUIntBE(at + 6, 3), record.readUIntBE(at + 9, 3)];
      const kept = this.#pieces.get(number) ?? { type: record[at]!, body: Buffer.alloc(length), have: 0 };
      if (number >= this.#nextMessage && kept.have === offset) {
        record.copy(kept.body, offset, at + 12, at + 12 + size);
        kept.have += size;
        this.#pieces.set(number, kept);
      }
      at += 12 + size;
    }
    for (;;) {
      const next = this.#pieces.get(this.#nextMessage);
      if (next === undefined || next.have < next.body.length) return;
      this.#pieces.delete(this.#nextMessage);
      this.#nextMessage += 1;
      this.#take(next, this.#nextMessage - 1);
    }
  }

  #take(message: Message, number: number): void {
    const { type, body } = message;
    if (type === MESSAGE.helloVerifyRequest) {
      this.#transcript = [];
      this.#hello(body.subarray(3, 3 + body[2]!));
      return;
    }
    const hash = createHash('sha256').update(Buffer.concat(this.#transcript)).digest();
    this.#transcript.push(whole(type, number, body));
    if (type === MESSAGE.serverHello) this.#serverRandom = Buffer.from(body.subarray(2, 34));
    else if (type === MESSAGE.certificate) this.#checkCertificate(body);
    else if (type === MESSAGE.serverKeyExchange) this.#takeKeyExchange(body);
    else if (type === MESSAGE.serverHelloDone) this.#answer();
    else if (type === MESSAGE.finished) {
      if (!this.#keys!.verifyData('server', hash).equals(body)) throw new Error('the Finished of the server is wrong');
      this.#done.resolve(this.#keys!.srtp());
    }
  }

  #checkCertificate(body: Buffer): void {
    const certificate = body.subarray(6, 6 + body.readUIntBE(3, 3));
    const { fingerprint256 } = new X509Certificate(certificate);
    if (fingerprint256.toLowerCase() !== this.#options.serverFingerprint.toLowerCase()) {
      throw new Error(`the server's certificate is ${fingerprint256}, and not the one that was announced`);
    }
  }

  /** The signature is not looked at: the fingerprint came over the signaling's socket, and this is a test's caller. */
  #takeKeyExchange(body: Buffer): void {
    if (body[0] !== 3 || body.readUInt16BE(1) !== P256) throw new Error('the server chose another curve than P-256');
    this.#serverPoint = body.subarray(4, 4 + body[3]!);
  }

  #hello(cookie: Buffer): void {
    const body = Buffer.concat([
      VERSION,
      this.#random,
      Buffer.of(0, cookie.length),
      cookie,
      sized(CIPHER_SUITES, 2),
      Buffer.of(1, 0),
      sized(EXTENSIONS, 2),
    ]);
    this.#flight = [];
    this.#say(MESSAGE.clientHello, body);
  }

  #answer(): void {
    const { identity } = this.#options;
    if (this.#serverPoint === null) throw new Error('the server sent no key');
    this.#flight = [];
    this.#say(MESSAGE.certificate, sized(sized(identity.certificate, 3), 3));
    this.#say(MESSAGE.clientKeyExchange, sized(this.#ecdh.getPublicKey(), 1));
    const signature = sign('sha256', Buffer.concat(this.#transcript), identity.privateKey);
    this.#say(MESSAGE.certificateVerify, Buffer.concat([Buffer.of(4, 3), sized(signature, 2)]));
    const randoms = { client: this.#random, server: this.#serverRandom };
    this.#keys = new DtlsKeys(this.#ecdh.computeSecret(this.#serverPoint), randoms);
    this.#send(RECORD.changeCipherSpec, Buffer.of(1), 0);
    this.#epoch = 1;
    const hash = createHash('sha256').update(Buffer.concat(this.#transcript)).digest();
    this.#say(MESSAGE.finished, this.#keys.verifyData('client', hash));
  }

  #say(type: number, body: Buffer): void {
    const message = whole(type, this.#ownMessage, body);
    this.#ownMessage += 1;
    this.#transcript.push(message);
    this.#send(RECORD.handshake, message, this.#epoch);
  }

  #send(type: number, plain: Buffer, epoch: number): void {
    const send = () => {
      const sequence = Buffer.alloc(8);
      sequence.writeUInt16BE(epoch, 0);
      sequence.writeUIntBE(this.#recordNumber++, 2, 6);
      const fragment = epoch === 0 ? plain : this.#keys!.seal(plain, type, sequence);
      this.#options.send(Buffer.concat([Buffer.of(type), VERSION, sequence, sized(fragment, 2)]));
    };
    this.#flight.push(send);
    send();
  }
}

/** A message as if it had been sent in one piece, which is how it is hashed. */
function whole(type: number, number: number, body: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head[0] = type;
  head.writeUIntBE(body.length, 1, 3);
  head.writeUInt16BE(number, 4);
  head.writeUIntBE(body.length, 9, 3);
  return Buffer.concat([head, body]);
}

function sized(bytes: Buffer, lengthBytes: number): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(bytes.length, 0, lengthBytes);
  return Buffer.concat([length, bytes]);
}

function extension(type: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.of(type >> 8, type & 0xff), sized(data, 2)]);
}
