# The worker service. Behind a proxy with a certificate of its own: docker build --secret id=ca,src=FILE .
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY . .
RUN --mount=type=secret,id=ca \
    if [ -f /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca SSL_CERT_FILE=/run/secrets/ca; fi; \
    export CI=1 TURBO_TELEMETRY_DISABLED=1; \
    npx -y pnpm@12 install --frozen-lockfile && \
    npx -y pnpm@12 exec turbo run build --filter=@mcp-worker/worker --output-logs=errors-only && \
    npx -y pnpm@12 --filter @mcp-worker/worker deploy --prod /out

FROM node:24-bookworm-slim
# curl: the health check. tini: as process 1 Node.js could not be ended by its own watchdog, the kernel keeps SIGKILL from it
RUN apt-get update && \
    apt-get install -y --no-install-recommends curl tini && \
    apt-get clean && rm -rf /var/lib/apt/lists/* && \
    install -d -o node -g node /data && \
    ln -s /app/dist/main.js /usr/local/bin/mcp-worker
WORKDIR /app
COPY --from=build /out ./
# beyond loopback the API wants API_TOKEN: without it the container ends at once with 78 and the reason
ENV NODE_ENV=production \
    DATA_DIR=/data \
    API_HOST=0.0.0.0 \
    API_PORT=8000 \
    API_ALLOWED_HOSTS=mcp-worker \
    METRICS_HOST=0.0.0.0 \
    METRICS_PORT=9090 \
    CLEANUP_TEMP_ROOT=/tmp
USER node
VOLUME /data
EXPOSE 8000 9090
HEALTHCHECK --interval=30s --timeout=10s --retries=3 CMD curl -f "http://localhost:$METRICS_PORT/metrics"
STOPSIGNAL SIGTERM
# a small young generation: under load the heap stays at a third of what Node takes by default on a large machine
ENTRYPOINT ["tini", "--", "node", "--max-semi-space-size=8", "dist/main.js"]
CMD ["start"]
