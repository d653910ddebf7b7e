# syntax=docker/dockerfile:1
# One image for all roles, amd64 and arm64: docker build -t antipode . ; docker run antipode edge | core | placement | dev
# The repository's own set-up steps make it, so what runs here is what `npm start` runs. Docs: docs/deploy.md.

ARG NODE_IMAGE=node:24-bookworm-slim

# ---- what all stages of building share: Node, and the repository's lockfile -------------------------------------------------
FROM ${NODE_IMAGE} AS base
ENV NODE_ENV=production \
    NPM_CONFIG_UPDATE_NOTIFIER=false
WORKDIR /opt/antipode

# ---- mediasoup's worker: the official prebuilt one where it runs, else built from the npm package's source -------------------
FROM base AS worker
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install -y --no-install-recommends \
      ca-certificates meson ninja-build g++ pkg-config libssl-dev libuv1-dev libsrtp2-dev libabsl-dev \
      libflatbuffers-dev flatbuffers-compiler
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --omit=dev --no-audit --no-fund
COPY scripts scripts
# never: build from source, also where there is a prebuilt one.
ARG WORKER_PREBUILT=
ENV ANTIPODE_CACHE_DIR=/opt/worker-cache \
    ANTIPODE_WORKER_PREBUILT=${WORKER_PREBUILT}
RUN node --input-type=module -e "\
      import { copyFileSync } from 'node:fs'; \
      import { ensureWorker } from './scripts/setup/mediasoup-worker.mjs'; \
      const { path, origin } = await ensureWorker({ onNote: console.log, onProgress: console.log }); \
      copyFileSync(path, '/opt/mediasoup-worker'); \
      console.log('worker: ' + origin)"

# ---- the page that callers open -------------------------------------------------------------------------------------------
FROM base AS page
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --include=dev --no-audit --no-fund
COPY . .
RUN node --input-type=module -e "import { ensurePage } from './scripts/setup/page.mjs'; await ensurePage()"

# ---- dependencies of what runs, without what is for other platforms ----------------------------------------------------------
FROM base AS modules
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --omit=dev --no-audit --no-fund \
 && find node_modules/onnxruntime-node/bin/napi-v* -mindepth 1 -maxdepth 1 -type d ! -name linux -exec rm -rf {} + \
 && rm -rf node_modules/mediasoup/worker

# ---- what runs: no compiler, no package manager's cache, not root -----------------------------------------------------------
FROM ${NODE_IMAGE} AS runtime
# Libraries that a worker built in the stage above is linked with. EXTRA_PACKAGES="flite pocketsphinx pocketsphinx-en-us" adds the
# programs by which an agent without any key hears and speaks.
ARG EXTRA_PACKAGES=
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libuv1 libssl3 libsrtp2-1 libabsl20220623 ${EXTRA_PACKAGES} \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o node -g node -m 0700 /var/lib/antipode

ENV NODE_ENV=production \
    MEDIASOUP_WORKER_BIN=/usr/local/bin/mediasoup-worker \
    ANTIPODE_HOME=/opt/antipode \
    ANTIPODE_STATE_DIR=/var/lib/antipode \
    ANTIPODE_LOG_PRETTY=false
WORKDIR /opt/antipode

COPY --from=worker --chmod=0755 /opt/mediasoup-worker /usr/local/bin/mediasoup-worker
COPY --from=modules /opt/antipode/node_modules node_modules
COPY --from=page /opt/antipode/dist/web dist/web
COPY package.json package-lock.json LICENSE ./
COPY scripts scripts
COPY src src
COPY agents agents
COPY infra/image infra/image
COPY infra/topologies infra/topologies

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Antipode" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The image is read-only but for this and /tmp: the development CA and the token secret, where none are given.
VOLUME /var/lib/antipode
USER node
EXPOSE 8080/tcp 8081/tcp 8082/tcp 44400/tcp 44400/udp 7443/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "infra/image/healthcheck.mjs"]
ENTRYPOINT ["node", "scripts/antipode.mjs"]
CMD ["dev"]
