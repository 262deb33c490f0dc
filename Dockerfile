# The image of a Stowage server. Build it with `docker build -t stowage .` or `buildah build -t stowage .`
#
#   docker run -p 127.0.0.1:5000:5000 -v stowage:/data stowage --allow-anonymous
#
# It runs as any user, with a read-only root file system; only /data is written to.

ARG NODE_IMAGE=docker.io/library/node:26-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /stowage
COPY package.json package-lock.json .npmrc ./
# The Node.js of the image runs it, so the one in the lock file is not needed.
RUN npm ci --omit=dev --omit=optional --ignore-scripts
COPY LICENSE* README.md ./
COPY src src
# Compiles what a start needs, so that each container starts in half the time.
RUN node --disable-warning=ExperimentalWarning src/cli/main.ts serve --help >/dev/null

FROM ${NODE_IMAGE}
COPY --from=build /stowage /stowage
# Group 0 may write: some platforms run containers as an unknown user of that group.
RUN mkdir /data && chown 10001:0 /data && chmod 0770 /data
ENV STOWAGE_DATA=/data STOWAGE_LISTEN=:5000
USER 10001:0
VOLUME /data
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:5000/livez').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "/stowage/src/cli/main.ts", "serve"]
