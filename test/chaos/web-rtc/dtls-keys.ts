/**
 * The arithmetic of DTLS 1.2 with ECDHE and AES-128-GCM: from a shared secret to the keys of records and of SRTP.
 * RFC 5246 (PRF, key block), RFC 5288 (GCM nonces), RFC 5764 (the exporter for SRTP).
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

const KEY_BYTES = 16;
const FIXED_IV_BYTES = 4;
const TAG_BYTES = 16;
/** Two keys of 16 bytes and two salts of 12: SRTP_AEAD_AES_128_GCM (RFC 7714). */
const SRTP_KEY_BYTES = 16;
const SRTP_SALT_BYTES = 12;

/** P_SHA256 of RFC 5246, section 5. */
export function prf(secret: Buffer, label: string, seed: Buffer, length: number): Buffer {
  const labelled = Buffer.concat([Buffer.from(label), seed]);
  const out: Buffer[] = [];
  let a = labelled;
  for (let bytes = 0; bytes < length; bytes += 32) {
    a = createHmac('sha256', secret).update(a).digest();
    out.push(createHmac('sha256', secret).update(a).update(labelled).digest());
  }
  return Buffer.concat(out).subarray(0, length);
}

/** Keys of one direction: master key and salt behind each other, as `SrtpKey` has them. */
export interface ExportedSrtpKeys {
  readonly client: string;
  readonly server: string;
}

export class DtlsKeys {
  readonly #master: Buffer;
  readonly #randoms: { readonly client: Buffer; readonly server: Buffer };
  readonly #clientKey: Buffer;
  readonly #serverKey: Buffer;
  readonly #clientIv: Buffer;
  readonly #serverIv: Buffer;

  constructor(preMaster: Buffer, randoms: { readonly client: Buffer; readonly server: Buffer }) {
    this.#randoms = randoms;
    this.#master = prf(preMaster, 'master secret', Buffer.concat([randoms.client, randoms.server]), 48);
    const seed = Buffer.concat([randoms.server, randoms.client]);
    const block = prf(this.#master, 'key expansion', seed, 2 * (KEY_BYTES + FIXED_IV_BYTES));
    this.#clientKey = block.subarray(0, KEY_BYTES);
    this.#serverKey = block.subarray(KEY_BYTES, 2 * KEY_BYTES);
    this.#clientIv = block.subarray(2 * KEY_BYTES, 2 * KEY_BYTES + FIXED_IV_BYTES);
    this.#serverIv = block.subarray(2 * KEY_BYTES + FIXED_IV_BYTES);
  }

  /** What a Finished message says. */
  verifyData(side: 'client' | 'server', handshakeHash: Buffer): Buffer {
    return prf(this.#master, `${side} finished`, handshakeHash, 12);
  }

  srtp(): ExportedSrtpKeys {
    const seed = Buffer.concat([this.#randoms.client, this.#randoms.server]);
    const out = prf(this.#master, 'EXTRACTOR-dtls_srtp', seed, 2 * (SRTP_KEY_BYTES + SRTP_SALT_BYTES));
    const salts = out.subarray(2 * SRTP_KEY_BYTES);
    const of = (at: 0 | 1) =>
      Buffer.concat([
        out.subarray(at * SRTP_KEY_BYTES, (at + 1) * SRTP_KEY_BYTES),
        salts.subarray(at * SRTP_SALT_BYTES, (at + 1) * SRTP_SALT_BYTES),
      ]).toString('base64');
    return { client: of(0), server: of(1) };
  }

  /** @param sequence epoch and number of the record, 8 bytes; @returns explicit nonce, ciphertext, tag */
  seal(plain: Buffer, type: number, sequence: Buffer): Buffer {
    const cipher = createCipheriv('aes-128-gcm', this.#clientKey, Buffer.concat([this.#clientIv, sequence]));
    cipher.setAAD(associated(sequence, type, plain.length));
    return Buffer.concat([sequence, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws Error when the record is not the server's */
  open(sealed: Buffer, type: number, sequence: Buffer): Buffer {
    const nonce = Buffer.concat([this.#serverIv, sealed.subarray(0, 8)]);
    const body = sealed.subarray(8, -TAG_BYTES);
    const decipher = createDecipheriv('aes-128-gcm', this.#serverKey, nonce);
    decipher.setAAD(associated(sequence, type, body.length));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(body), decipher.final()]);
  }
}

function associated(sequence: Buffer, type: number, length: number): Buffer {
  return Buffer.concat([sequence, Buffer.of(type, 0xfe, 0xfd, length >> 8, length & 0xff)]);
}
