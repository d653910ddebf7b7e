/** The one STUN message that a caller of an ICE-lite server sends (RFC 8445, 8489): take this pair of addresses. */
import { createHmac, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const MAGIC = Buffer.from('2112a442', 'hex');
const ATTRIBUTE = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  priority: 0x0024,
  useCandidate: 0x0025,
  fingerprint: 0x8028,
  controlling: 0x802a,
} as const;
const FINGERPRINT_MASK = 0x5354554e;

export interface IceCredentials {
  readonly usernameFragment: string;
  readonly password: string;
}

/** @param remote what the POP offered */
export function bindingRequest(remote: IceCredentials, localFragment: string, tieBreaker: Buffer): Buffer {
  const attributes = [
    attribute(ATTRIBUTE.username, Buffer.from(`${remote.usernameFragment}:${localFragment}`)),
    attribute(ATTRIBUTE.controlling, tieBreaker),
    attribute(ATTRIBUTE.priority, Buffer.from('6e0001ff', 'hex')),
    attribute(ATTRIBUTE.useCandidate, Buffer.alloc(0)),
  ];
  const body = Buffer.concat(attributes);
  const id = randomBytes(12);
  // Each of the two last is made over what stands before it, with a length that counts itself.
  const signed = Buffer.concat([header(body.length + 24, id), body]);
  const integrity = createHmac('sha1', remote.password).update(signed).digest();
  const withIntegrity = Buffer.concat([body, attribute(ATTRIBUTE.messageIntegrity, integrity)]);
  const checked = Buffer.concat([header(withIntegrity.length + 8, id), withIntegrity]);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE((crc32(checked) ^ FINGERPRINT_MASK) >>> 0);
  return Buffer.concat([checked, attribute(ATTRIBUTE.fingerprint, sum)]);
}

export function isBindingSuccess(packet: Buffer): boolean {
  return packet.length >= 20 && packet.readUInt16BE(0) === BINDING_SUCCESS && packet.subarray(4, 8).equals(MAGIC);
}

function header(length: number, id: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(BINDING_REQUEST, 0);
  head.writeUInt16BE(length, 2);
  return Buffer.concat([head, MAGIC, id]);
}

function attribute(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(value.length, 2);
  return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
}
