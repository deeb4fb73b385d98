# The load generator, for development: docker build -f docker/load.Dockerfile -t onbehalf/load:dev .
# A program that ends by itself: it serves nothing, and a start may take its time.
ARG NODE_IMAGE=node:24-bookworm-slim
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages/node packages/node
COPY services/chassis services/chassis
COPY services/trace-viewer services/trace-viewer
COPY services/load-generator services/load-generator
# Behind a network that inspects TLS, npm needs that network's authority: --secret id=ca,src=ca.pem
RUN --mount=type=secret,id=ca --mount=type=cache,target=/root/.npm \
    if [ -f /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund --workspace services/load-generator

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title=load \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.licenses=MIT
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /app /app
# Results are written where a pod may write.
WORKDIR /tmp
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/node"]
CMD ["/app/services/load-generator/src/main.ts", "--help"]
