/**
 * Makes X.509 v3 certificates (RFC 5280) on ECDSA P-256 with SHA-256: a CA's own and those that it issues. Owns the
 * profile, that is which extensions with which values; keeps no keys and no files. The encoding is @peculiar/x509's,
 * which needs reflect-metadata to be there first.
 */
import 'reflect-metadata';
import { createPublicKey, generateKeyPair, type KeyObject, webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface Validity {
  notBefore: Date;
  notAfter: Date;
}

export interface KeyPair {
  publicKey: KeyObject;
  privateKey: KeyObject;
}

export function generateEcdsaKeys(): Promise<KeyPair> {
  return promisify(generateKeyPair)('ec', { namedCurve: 'prime256v1' });
}

/** A CA's certificate, signed by its own key; it may issue end certificates and no further CA. PEM. */
export async function selfSignedCa(options: {
  commonName: string;
  keys: KeyPair;
  validity: Validity;
}): Promise<string> {
  const publicKey = verificationKey(options.keys.publicKey);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [options.commonName] }],
    issuer: [{ CN: [options.commonName] }],
    ...options.validity,
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: signingKey(options.keys.privateKey),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

export interface NodeCertificateOptions {
  issuer: { commonName: string; privateKey: KeyObject };
  commonName: string;
  /** Subject alternative names. ASCII. */
  dnsName: string;
  uri: string;
  publicKey: KeyObject;
  validity: Validity;
}

/** An end certificate for both ends of TLS. PEM. */
export async function nodeCertificate(options: NodeCertificateOptions): Promise<string> {
  const publicKey = verificationKey(options.publicKey);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [options.commonName] }],
    issuer: [{ CN: [options.issuer.commonName] }],
    ...options.validity,
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: signingKey(options.issuer.privateKey),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: options.dnsName },
        { type: 'url', value: options.uri },
      ]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(verificationKey(createPublicKey(options.issuer.privateKey))),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** 16 random bytes, positive (RFC 5280, section 4.1.2.2). */
function serialNumber(): string {
  const serial = webcrypto.getRandomValues(new Uint8Array(16));
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(serial).toString('hex');
}

// Node's CryptoKey and the library's (the DOM's) are one object with two type declarations.
function signingKey(key: KeyObject): CryptoKey {
  return key.toCryptoKey(ALGORITHM, true, ['sign']) as CryptoKey;
}

function verificationKey(key: KeyObject): CryptoKey {
  return key.toCryptoKey(ALGORITHM, true, ['verify']) as CryptoKey;
}
