/** SRTP for light callers: one crypto suite, keys as mediasoup writes them, and werift's session between two of them. */
import { randomBytes } from 'node:crypto';
import { ProtectionProfileAeadAes128Gcm, SrtpSession } from 'werift-rtp';

/** RFC 7714: half the work of AES_CM_128_HMAC_SHA1_80 in Node. */
export const LIGHT_CALLER_SUITE = 'AEAD_AES_128_GCM';
const KEY_BYTES = 16;
const SALT_BYTES = 12;

/** As mediasoup's SrtpParameters. */
export interface SrtpKey {
  cryptoSuite: typeof LIGHT_CALLER_SUITE;
  /** Master key and master salt. */
  keyBase64: string;
}

export function makeSrtpKey(): SrtpKey {
  return { cryptoSuite: LIGHT_CALLER_SUITE, keyBase64: randomBytes(KEY_BYTES + SALT_BYTES).toString('base64') };
}

function split(key: SrtpKey): { key: Buffer; salt: Buffer } {
  const bytes = Buffer.from(key.keyBase64, 'base64');
  if (key.cryptoSuite !== LIGHT_CALLER_SUITE || bytes.length !== KEY_BYTES + SALT_BYTES) {
    throw new Error(`light callers speak ${LIGHT_CALLER_SUITE} only, not ${key.cryptoSuite}`);
  }
  return { key: bytes.subarray(0, KEY_BYTES), salt: bytes.subarray(KEY_BYTES) };
}

/** @param local protects what we send; @param remote what we receive */
export function srtpSession(local: SrtpKey, remote: SrtpKey): SrtpSession {
  const ours = split(local);
  const theirs = split(remote);
  return new SrtpSession({
    profile: ProtectionProfileAeadAes128Gcm,
    keys: {
      localMasterKey: ours.key,
      localMasterSalt: ours.salt,
      remoteMasterKey: theirs.key,
      remoteMasterSalt: theirs.salt,
    },
  });
}
