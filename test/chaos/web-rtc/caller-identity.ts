/** The certificate by which the callers of a process are known to a POP: self-signed, made anew, as a browser's is. */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { generateEcdsaKeys, selfSignedCa } from '../../../src/backbone/certificate.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;

export interface CallerIdentity {
  /** DER. */
  readonly certificate: Buffer;
  readonly privateKey: KeyObject;
  /** SHA-256, `AB:CD:...`. */
  readonly fingerprint: string;
}

export async function makeCallerIdentity(nowMs = Date.now()): Promise<CallerIdentity> {
  const keys = await generateEcdsaKeys();
  const validity = { notBefore: new Date(nowMs - DAY_MS), notAfter: new Date(nowMs + 30 * DAY_MS) };
  const { raw, fingerprint256 } = new X509Certificate(await selfSignedCa({ commonName: 'caller', keys, validity }));
  return { certificate: raw, privateKey: keys.privateKey, fingerprint: fingerprint256 };
}
