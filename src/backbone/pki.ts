/**
 * The development CA: made at first start, kept in `<stateDir>/pki`, used to give each node of this machine its
 * certificate at each start. Owns those files; who accepts which certificate is peer-identity.ts. Operators with more
 * than one machine bring certificates of their own CA with the same names in them.
 *
 * A CA is one file with key and certificate, `development-ca-<n>.pem`, written aside and linked into place: it is
 * whole or absent, it is never changed, and of two processes that start at once one wins and the other reads. A CA that
 * is expired, about to be, or damaged is followed by the next number.
 */
import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { chmod, link, mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, systemClock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import { type Logger, silentLogger } from '../telemetry/index.ts';
import { generateEcdsaKeys, nodeCertificate, selfSignedCa, type Validity } from './certificate.ts';
import { identityUri, type NodeIdentity, type NodeRole } from './node-identity.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
const CA_DAYS = 5 * 365;
const NODE_DAYS = 30;
/** Clocks of nodes may differ by this much. */
const SKEW_MS = 5 * 60 * 1_000;
/** A CA with less time left than this is replaced, so that a node's certificate always fits. */
const CA_RENEW_DAYS = 2 * NODE_DAYS;
const CA_FILE = /^development-ca-(\d{1,9})\.pem$/;
const NODE_ID = /^[a-z0-9][a-z0-9._-]{0,127}$/i;

export interface DevelopmentCaOptions {
  log?: Logger;
  clock?: Clock;
}

export interface DevelopmentCa {
  readonly caPem: string;
  /**
   * A certificate of 30 days with a fresh key, both in memory only.
   * @throws ERR_CONFIG_INVALID for a node id of other than letters, digits, dot, dash and underscore
   */
  issue(node: { nodeId: string; role: NodeRole }): Promise<NodeIdentity>;
}

/** The CA of `stateDir`, made when there is none that is fit. @throws ERR_STATE_DIR */
export async function ensureDevelopmentCa(
  stateDir: string,
  options: DevelopmentCaOptions = {},
): Promise<DevelopmentCa> {
  const { log = silentLogger, clock = systemClock } = options;
  const dir = join(stateDir, 'pki');
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    // Each round another process may have made a CA first; a hundred rounds lost means that something else is wrong.
    for (let round = 0; round < 100; round++) {
      const newest = await newestGeneration(dir);
      if (newest > 0) {
        const found = await readCa(join(dir, fileName(newest)), clock, log);
        if ('pem' in found) return authority(found, clock);
        log.warn({ file: fileName(newest), reason: found.unfit }, 'the development CA is unfit; making another');
      }
      if (await writeCa(dir, newest + 1, clock)) log.info({ file: fileName(newest + 1) }, 'made a development CA');
    }
  } catch (error) {
    throw new AntipodeError('ERR_STATE_DIR', `Cannot keep the development CA in ${dir}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new AntipodeError('ERR_STATE_DIR', `No fit development CA in ${dir}, and none could be made.`);
}

interface StoredCa {
  pem: string;
  certificate: X509Certificate;
  privateKey: KeyObject;
}

function authority(ca: StoredCa, clock: Clock): DevelopmentCa {
  const commonName = ca.certificate.subject.replace(/^CN=/, '');
  return {
    caPem: ca.pem,
    async issue({ nodeId, role }) {
      if (!NODE_ID.test(nodeId)) {
        throw new AntipodeError('ERR_CONFIG_INVALID', `"${nodeId}" can't be a node id.`, { path: 'node.id' });
      }
      const keys = await generateEcdsaKeys();
      const certPem = await nodeCertificate({
        issuer: { commonName, privateKey: ca.privateKey },
        commonName: nodeId,
        dnsName: nodeId,
        uri: identityUri(role, nodeId),
        publicKey: keys.publicKey,
        validity: validity(clock, NODE_DAYS),
      });
      const keyPem = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      return { nodeId, role, caPem: ca.pem, certPem, keyPem };
    },
  };
}

function validity(clock: Clock, days: number): Validity {
  const nowMs = clock.date().getTime();
  return { notBefore: new Date(nowMs - SKEW_MS), notAfter: new Date(nowMs + days * DAY_MS) };
}

function fileName(generation: number): string {
  return `development-ca-${generation}.pem`;
}

async function newestGeneration(dir: string): Promise<number> {
  return Math.max(0, ...(await readdir(dir)).map((name) => Number(CA_FILE.exec(name)?.[1] ?? 0)));
}

async function readCa(path: string, clock: Clock, log: Logger): Promise<StoredCa | { unfit: string }> {
  const text = await readFile(path, 'utf8');
  if ((await stat(path)).mode & 0o077) {
    log.warn({ file: path }, "the development CA's key was open to others; closing it");
    await chmod(path, 0o600);
  }
  const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/.exec(text)?.[0];
  const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/.exec(text)?.[0];
  if (!pem || !key) return { unfit: 'damaged' };
  let certificate: X509Certificate;
  let privateKey: KeyObject;
  try {
    certificate = new X509Certificate(pem);
    privateKey = createPrivateKey(key);
  } catch {
    return { unfit: 'damaged' };
  }
  if (!certificate.ca || !certificate.checkPrivateKey(privateKey)) return { unfit: 'key and certificate do not match' };
  const nowMs = clock.date().getTime();
  if (certificate.validToDate.getTime() - nowMs < CA_RENEW_DAYS * DAY_MS) return { unfit: 'expired or about to be' };
  if (certificate.validFromDate.getTime() > nowMs) return { unfit: 'not valid yet' };
  return { pem, certificate, privateKey };
}

/** False when another process was first. */
async function writeCa(dir: string, generation: number, clock: Clock): Promise<boolean> {
  const keys = await generateEcdsaKeys();
  const unique = randomBytes(8).toString('hex');
  const certificate = await selfSignedCa({
    commonName: `Antipode development CA ${unique}`,
    keys,
    validity: validity(clock, CA_DAYS),
  });
  const aside = join(dir, `.${unique}.tmp`);
  const file = await open(aside, 'wx', 0o600);
  try {
    await file.writeFile(certificate + keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    await file.sync();
    await file.close();
    // Unlike a rename, a link never takes the place of a CA that another process just made and already uses.
    await link(aside, join(dir, fileName(generation)));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await file.close();
    await unlink(aside);
  }
}
