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
  caFile: string;
  /** The node's certificate first; intermediate ones may follow. */
  certFile: string;
  keyFile: string;
}

/**
 * @throws ERR_CONFIG_INVALID with the file for one that can't be read or is no PEM, a key of another certificate, one
 * that is expired or not valid yet, and one that does not name this node in this role
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
  parsed('caFile', files.caFile, () => new X509Certificate(caPem));
  const certificate = parsed('certFile', files.certFile, () => new X509Certificate(certPem));
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
  return { ...node, caPem, certPem, keyPem };
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
