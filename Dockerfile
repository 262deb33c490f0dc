# The image of a Stowage server. Build it with `docker build -t stowage .` or `buildah build --format docker -t stowage .`
#
#   docker run -p 127.0.0.1:5000:5000 -v stowage:/data stowage --allow-anonymous
#
# It runs as any user, with a read-only root file system; only /data is written to. See docs/operations/containers.md.

ARG NODE_IMAGE=docker.io/library/node:26-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /stowage
COPY package.json package-lock.json .npmrc ./
# The Node.js of the image runs it, so the one in the lock file is not needed.
RUN npm ci --omit=dev --omit=optional --ignore-scripts
COPY LICENSE README.md ./
COPY src src
# Compiles what a start needs, which halves the time that a container takes to start. Node.js keeps that for each user apart.
RUN mkdir .cache && chown 10001:0 .cache
USER 10001:0
RUN node --disable-warning=ExperimentalWarning src/cli/main.ts serve --help >/dev/null && chmod -R a+rX .cache

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title=stowage \
  org.opencontainers.image.description="A registry for container images and every other OCI artifact" \
  org.opencontainers.image.version=0.1.0 \
  org.opencontainers.image.licenses=Apache-2.0
# Nothing of it is the user's, so that a server that is broken into cannot change it.
COPY --from=build --chown=0:0 /stowage /stowage
# Group 0 may write: some platforms run containers as an unknown user of that group. The command is for `docker exec`.
RUN mkdir /data && chown 10001:0 /data && chmod 0770 /data && ln -s /stowage/src/cli/main.ts /usr/local/bin/stowage
ENV STOWAGE_DATA=/data STOWAGE_LISTEN=:5000
USER 10001:0
VOLUME /data
EXPOSE 5000
STOPSIGNAL SIGTERM
# Asks without TLS at the port above; see docs/operations/containers.md for other addresses.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "-e", "require('node:http').get('http://127.0.0.1:5000/livez', ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "/stowage/src/cli/main.ts", "serve"]
