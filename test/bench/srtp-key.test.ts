/** The SRTP that light callers speak, against the vectors of the RFCs: it is a library's, and load must be true load. */
import { expect, test } from 'vitest';
import { ProtectionProfileAes128CmHmacSha1_80, RtpHeader, SrtpSession } from 'werift-rtp';
import { LIGHT_CALLER_SUITE, makeSrtpKey, srtpSession } from '../../bench/light-caller/srtp-key.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('session keys are derived as in RFC 3711, appendix B.3', () => {
  const masterKey = hex('E1F97A0D3E018BE0D64FA32C06DE4139');
  const masterSalt = hex('0EC675AD498AFEEBB6960B3AABE6');
  const { localContext } = new SrtpSession({
    profile: ProtectionProfileAes128CmHmacSha1_80,
    keys: {
      localMasterKey: masterKey,
      localMasterSalt: masterSalt,
      remoteMasterKey: masterKey,
      remoteMasterSalt: masterSalt,
    },
  });
  expect(localContext.srtpSessionKey).toEqual(hex('C61E7A93744F39EE10734AFE3FF7A087'));
  expect(localContext.srtpSessionSalt).toEqual(hex('30CBBC08863D8C85D49DB34A9AE1'));
  expect(localContext.srtpSessionAuthTag).toEqual(hex('CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4'));
});

test('a packet is protected as in RFC 7714, section 16.1.1', () => {
  const key = hex('000102030405060708090a0b0c0d0e0f');
  const salt = Buffer.from('Quid pro quo');
  const session = srtpSession(makeSrtpKey(), makeSrtpKey());
  // The vector gives session keys, so the cipher is asked without the derivation before it.
  const Cipher = session.localContext.cipher.constructor as new (
    ...keys: Buffer[]
  ) => typeof session.localContext.cipher;
  const cipher = new Cipher(key, salt, key, salt);
  const header = RtpHeader.deSerialize(hex('8040f17b 8041f8d3 5501a0b2'));
  const payload = Buffer.from('Gallia est omnis divisa in partes tres');
  const wire = hex(
    '8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf' +
      '8833 899d7f27 beb16a91 52cf765e e4390cce',
  );
  expect(cipher.encryptRtp(header, payload, 0)).toEqual(wire);
  expect(cipher.decryptRtp(wire, 0)[0].subarray(12)).toEqual(payload);
});

test('what one end protects the other opens, and nobody else, over the wrap of the sequence number', () => {
  const [ours, theirs] = [makeSrtpKey(), makeSrtpKey()];
  const here = srtpSession(ours, theirs);
  const there = srtpSession(theirs, ours);
  const stranger = srtpSession(theirs, makeSrtpKey());
  for (let index = 65_530; index < 65_545; index++) {
    const header = new RtpHeader({ payloadType: 100, sequenceNumber: index & 0xffff, timestamp: index, ssrc: 7 });
    const packet = here.encrypt(Buffer.from([1, 2, 3, index & 0xff]), header);
    expect(there.decrypt(packet).subarray(12)).toEqual(Buffer.from([1, 2, 3, index & 0xff]));
    expect(() => stranger.decrypt(packet)).toThrow();
  }
});

test('other suites and short keys are refused', () => {
  const key = makeSrtpKey();
  expect(key.cryptoSuite).toBe(LIGHT_CALLER_SUITE);
  expect(() => srtpSession(key, { ...key, keyBase64: 'AAAA' })).toThrow('only');
  expect(() => srtpSession({ ...key, cryptoSuite: 'AES_CM_128_HMAC_SHA1_80' as never }, key)).toThrow('only');
});
