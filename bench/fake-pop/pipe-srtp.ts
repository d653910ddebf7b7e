/**
 * SRTP as a backbone pipe speaks it, AEAD_AES_256_GCM (RFC 7714, keys derived by RFC 3711 and RFC 6188), for packets
 * that we number ourselves. One object is one direction of a pipe, with all its streams. Owns key and roll-over counters
 * and no socket.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

export const PIPE_SUITE = 'AEAD_AES_256_GCM';
const KEY_BYTES = 32;
const SALT_BYTES = 12;
const TAG_BYTES = 16;
/** RFC 3711, section 4.3.2. */
const LABEL_KEY = 0x00;
const LABEL_SALT = 0x02;

export interface PipeSrtpKey {
  cryptoSuite: typeof PIPE_SUITE;
  /** Master key and master salt. */
  keyBase64: string;
}

export function makePipeKey(): PipeSrtpKey {
  return { cryptoSuite: PIPE_SUITE, keyBase64: randomBytes(KEY_BYTES + SALT_BYTES).toString('base64') };
}

export class PipeSrtp {
  readonly #key: Buffer;
  readonly #salt: Buffer;
  readonly #iv = Buffer.alloc(12);

  constructor(key: PipeSrtpKey) {
    const bytes = Buffer.from(key.keyBase64, 'base64');
    if (key.cryptoSuite !== PIPE_SUITE || bytes.length !== KEY_BYTES + SALT_BYTES) {
      throw new Error(`a pipe speaks ${PIPE_SUITE} only, not ${key.cryptoSuite} with ${bytes.length} bytes`);
    }
    const master = bytes.subarray(0, KEY_BYTES);
    const salt = bytes.subarray(KEY_BYTES);
    this.#key = derive(master, salt, LABEL_KEY, KEY_BYTES);
    this.#salt = derive(master, salt, LABEL_SALT, SALT_BYTES);
  }

  /**
   * @param packet RTP without padding
   * @param headerBytes what stays in the clear: fixed header and extension
   * @param number of the packet, counted on past 16 bits: its upper part is the roll-over counter
   */
  protect(packet: Buffer, headerBytes: number, number: number): Buffer {
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#ivOf(packet, number));
    cipher.setAAD(packet.subarray(0, headerBytes));
    const out = Buffer.allocUnsafe(packet.length + TAG_BYTES);
    packet.copy(out, 0, 0, headerBytes);
    // GCM is a stream: all of the text comes out at once, and `final` adds nothing.
    cipher.update(packet.subarray(headerBytes)).copy(out, headerBytes);
    cipher.final();
    cipher.getAuthTag().copy(out, packet.length);
    return out;
  }

  /** The payload in the clear. @throws when the packet was not protected with this key and number */
  unprotect(packet: Buffer, headerBytes: number, number: number): Buffer {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, this.#ivOf(packet, number));
    decipher.setAAD(packet.subarray(0, headerBytes));
    decipher.setAuthTag(packet.subarray(-TAG_BYTES));
    const payload = decipher.update(packet.subarray(headerBytes, packet.length - TAG_BYTES));
    decipher.final();
    return payload;
  }

  /** RFC 7714, section 8.1: two zero bytes, SSRC, roll-over counter, sequence number; all XOR salt. */
  #ivOf(packet: Buffer, number: number): Buffer {
    const iv = this.#iv;
    iv.writeUInt16BE(0, 0);
    packet.copy(iv, 2, 8, 12);
    iv.writeUInt32BE(Math.floor(number / 0x1_0000) >>> 0, 6);
    iv.writeUInt16BE(number & 0xffff, 10);
    for (let index = 0; index < iv.length; index++) iv[index]! ^= this.#salt[index]!;
    return iv;
  }
}

/** RFC 3711, section 4.3.1, with AES-256 in counter mode and a key derivation rate of 0. */
function derive(masterKey: Buffer, masterSalt: Buffer, label: number, length: number): Buffer {
  const counter = Buffer.alloc(16);
  masterSalt.copy(counter);
  counter[7]! ^= label;
  return createCipheriv('aes-256-ctr', masterKey, counter).update(Buffer.alloc(length));
}
