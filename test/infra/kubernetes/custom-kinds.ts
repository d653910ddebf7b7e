/**
 * Custom kinds as far as infra/kubernetes uses them: KEDA 2.16's ScaledObject, External Secrets' v1, cert-manager's v1, the
 * Prometheus Operator's PodMonitor, by their documentation. Strict: a field that is not here is refused, though its
 * operator may know it.
 */
import { z } from 'zod';

const text = z.string().min(1);
const duration = z.string().regex(/^(\d+(h|m|s))+$/);
const metadata = z.strictObject({ name: text, namespace: text.optional(), labels: z.record(text, text).optional() });
const clusterWide = z.strictObject({ name: text, labels: z.record(text, text).optional() });

const policies = z.array(
  z.strictObject({
    type: z.enum(['Pods', 'Percent']),
    value: z.int().min(1),
    periodSeconds: z.int().min(1).max(1_800),
  }),
);
const rules = z.strictObject({ stabilizationWindowSeconds: z.int().min(0).max(3_600).optional(), policies });

const scaledObject = z.strictObject({
  apiVersion: z.literal('keda.sh/v1alpha1'),
  kind: z.literal('ScaledObject'),
  metadata,
  spec: z
    .strictObject({
      scaleTargetRef: z.strictObject({ name: text }),
      minReplicaCount: z.int().min(0),
      maxReplicaCount: z.int().min(1),
      pollingInterval: z.int().min(1),
      fallback: z.strictObject({
        failureThreshold: z.int().min(1),
        replicas: z.int().min(0),
        behavior: z.enum(['static', 'currentReplicas', 'currentReplicasIfHigher', 'currentReplicasIfLower']).optional(),
      }),
      advanced: z.strictObject({
        horizontalPodAutoscalerConfig: z.strictObject({
          behavior: z.strictObject({ scaleUp: rules.optional(), scaleDown: rules.optional() }),
        }),
      }),
      triggers: z
        .array(
          z.strictObject({
            type: z.literal('prometheus'),
            name: text,
            metricType: z.enum(['AverageValue', 'Value']),
            metadata: z.strictObject({
              serverAddress: z.url(),
              query: text,
              threshold: z.string().regex(/^\d+(\.\d+)?$/),
            }),
          }),
        )
        .min(1),
    })
    .refine(
      ({ minReplicaCount, maxReplicaCount }) => minReplicaCount <= maxReplicaCount,
      'minReplicaCount is above maxReplicaCount',
    )
    // KEDA refuses a fallback without one.
    .refine(
      ({ triggers }) => triggers.some(({ metricType }) => metricType === 'AverageValue'),
      'a fallback needs an AverageValue',
    ),
});

const remoteRef = z.strictObject({ key: text, property: text.optional() });
const externalSecret = z.strictObject({
  apiVersion: z.literal('external-secrets.io/v1'),
  kind: z.literal('ExternalSecret'),
  metadata,
  spec: z.strictObject({
    refreshInterval: duration,
    secretStoreRef: z.strictObject({ kind: z.literal('ClusterSecretStore'), name: text }),
    target: z.strictObject({
      name: text,
      creationPolicy: z.enum(['Owner', 'Orphan', 'Merge', 'None']),
      template: z.strictObject({ type: text }).optional(),
    }),
    data: z.array(z.strictObject({ secretKey: text, remoteRef })).optional(),
    dataFrom: z.array(z.strictObject({ extract: remoteRef })).optional(),
  }),
});

const clusterSecretStore = z.strictObject({
  apiVersion: z.literal('external-secrets.io/v1'),
  kind: z.literal('ClusterSecretStore'),
  metadata: clusterWide,
  spec: z.strictObject({
    provider: z.strictObject({ aws: z.strictObject({ service: z.literal('SecretsManager'), region: text }) }),
    conditions: z.array(z.strictObject({ namespaces: z.array(text).min(1) })),
  }),
});

const issuerRef = z.strictObject({ kind: z.literal('ClusterIssuer'), name: text });
const clusterIssuer = z.strictObject({
  apiVersion: z.literal('cert-manager.io/v1'),
  kind: z.literal('ClusterIssuer'),
  metadata: clusterWide,
  spec: z.union([
    z.strictObject({ selfSigned: z.strictObject({}) }),
    z.strictObject({ ca: z.strictObject({ secretName: text }) }),
    z.strictObject({
      acme: z.strictObject({
        server: z.url({ protocol: /^https$/ }),
        privateKeySecretRef: z.strictObject({ name: text }),
        solvers: z.array(
          z.strictObject({
            selector: z.strictObject({ dnsZones: z.array(text).min(1) }),
            dns01: z.strictObject({ route53: z.strictObject({ region: text, hostedZoneID: text }) }),
          }),
        ),
      }),
    }),
  ]),
});

const certificate = z.strictObject({
  apiVersion: z.literal('cert-manager.io/v1'),
  kind: z.literal('Certificate'),
  metadata,
  spec: z
    .strictObject({
      secretName: text,
      issuerRef,
      privateKey: z.strictObject({
        algorithm: z.enum(['ECDSA', 'RSA']),
        size: z.int(),
        rotationPolicy: z.enum(['Always', 'Never']).optional(),
      }),
      dnsNames: z.array(z.string().regex(/^(\*\.)?([a-z0-9-]+\.)+[a-z]{2,}$/)).optional(),
      commonName: text.optional(),
      isCA: z.boolean().optional(),
      duration: duration.optional(),
    })
    .refine(({ dnsNames, commonName }) => dnsNames !== undefined || commonName !== undefined, 'names nobody'),
});

const podMonitor = z.strictObject({
  apiVersion: z.literal('monitoring.coreos.com/v1'),
  kind: z.literal('PodMonitor'),
  metadata,
  spec: z.strictObject({
    selector: z.strictObject({ matchLabels: z.record(text, text) }),
    podMetricsEndpoints: z.array(
      z.strictObject({
        port: text,
        path: text,
        interval: duration,
        authorization: z.strictObject({
          type: z.literal('Bearer'),
          credentials: z.strictObject({ name: text, key: text }),
        }),
      }),
    ),
  }),
});

/** By `apiVersion/kind`. */
export const CUSTOM_KINDS: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['keda.sh/v1alpha1/ScaledObject', scaledObject],
  ['external-secrets.io/v1/ExternalSecret', externalSecret],
  ['external-secrets.io/v1/ClusterSecretStore', clusterSecretStore],
  ['cert-manager.io/v1/ClusterIssuer', clusterIssuer],
  ['cert-manager.io/v1/Certificate', certificate],
  ['monitoring.coreos.com/v1/PodMonitor', podMonitor],
]);
