/**
 * A node's identity from files that an operator brings: its certificate, its key and the CA of all nodes, PEM. Owns the
 * reading and the refusal of what other nodes would refuse later; makes nothing.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Clock, systemClock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { identityUri, type NodeIdentity, type NodeRole } from './node-identity.ts';
import { peerIdentity } from './peer-identity.ts';

export interface IdentityFiles {
  /** One CA, or several one after the other: while a CA is replaced nodes accept certificates of both. */
  caFile: string;
  /** The node's certificate first; intermediate ones may follow. */
  certFile: string;
  keyFile: string;
}

/**
 * @throws ERR_CONFIG_INVALID with the file for one that can't be read or is no PEM, a key of another certificate, one
 * that is expired or not valid yet, one that does not name this node in this role, and one of none of the CAs
 */
export async function identityFromFiles(
  files: IdentityFiles,
  node: { nodeId: string; role: NodeRole },
  clock: Clock = systemClock,
): Promise<NodeIdentity> {
  const [caPem, certPem, keyPem] = await Promise.all([
    read('caFile', files.caFile),
    read('certFile', files.certFile),
    read('keyFile', files.keyFile),
  ]);
  const authorities = parsed('caFile', files.caFile, () => certificatesIn(caPem));
  const chain = parsed('certFile', files.certFile, () => certificatesIn(certPem));
  const certificate = chain[0]!;
  const key = parsed<KeyObject>('keyFile', files.keyFile, () => createPrivateKey(keyPem));
  if (!certificate.checkPrivateKey(key)) {
    throw refused('keyFile', `${files.keyFile} is not the key of the certificate in ${files.certFile}`);
  }
  const now = clock.date();
  if (certificate.validToDate <= now || certificate.validFromDate > now) {
    const { validFrom, validTo } = certificate;
    throw refused('certFile', `${files.certFile} is valid from ${validFrom} to ${validTo}, which is not now`);
  }
  const named = peerIdentity(certificate.subjectAltName);
  if (named?.role !== node.role || named.nodeId !== node.nodeId) {
    const wanted = `URI:${identityUri(node.role, node.nodeId)}`;
    const has = certificate.subjectAltName ?? 'none';
    throw refused('certFile', `${files.certFile} must have the subject alternative name ${wanted}; it has ${has}`);
  }
  if (!isIssuedBy(certificate, chain.slice(1), authorities)) {
    const names = authorities.map(({ subject }) => subject.replaceAll('\n', ', ')).join(' or ');
    throw refused('certFile', `${files.certFile} was issued by none of those in ${files.caFile}: ${names}`);
  }
  return { ...node, caPem, certPem, keyPem };
}

/** @throws when there is none, or one that can't be read */
function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [pem];
  return blocks.map((block) => new X509Certificate(block));
}

/** By signature: directly, or through the intermediate ones that come with it. */
function isIssuedBy(
  certificate: X509Certificate,
  intermediates: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): boolean {
  let present = certificate;
  for (let depth = 0; depth <= intermediates.length; depth++) {
    const issuer = (one: X509Certificate) => present.checkIssued(one) && present.verify(one.publicKey);
    if (authorities.some(issuer)) return true;
    const next = intermediates.find((one) => one !== present && issuer(one));
    if (next === undefined) return false;
    present = next;
  }
  return false;
}

async function read(field: keyof IdentityFiles, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw refused(field, `${file} cannot be read: ${(cause as Error).message}`, cause);
  }
}

function parsed<T>(field: keyof IdentityFiles, file: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw refused(field, `${file} holds no PEM that can be read: ${(cause as Error).message}`, cause);
  }
}

function refused(field: keyof IdentityFiles, words: string, cause?: unknown): AntipodeError {
  const path = `backbone.tls.${field}`;
  return new AntipodeError('ERR_CONFIG_INVALID', `${path}: ${words}.`, { path, cause });
}
