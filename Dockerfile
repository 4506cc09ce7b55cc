# Latchkey without its development tools, as a user without rights. There is no build step: Node 24 strips the types at load.
FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Install scripts run for the packages named in package.json (allowScripts) only; of those argon2 is left, which brings its binary.
RUN npm ci --omit=dev && npm cache clean --force

FROM node:24-slim
ENV NODE_ENV=production DATA_FOLDER=/var/lib/latchkey
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE* ./
COPY src ./src
COPY adapters ./adapters
COPY keys ./keys
COPY migrations ./migrations
COPY views ./views
COPY locales ./locales
COPY seeds ./seeds
# Used by the embedded database only (DATABASE_URL=embedded:). Everything else is read-only for the process.
RUN install --directory --owner=node --group=node --mode=0700 /var/lib/latchkey \
  && printf '#!/bin/sh\nexec node /app/src/cli.ts "$@"\n' > /usr/local/bin/latchkey && chmod 0755 /usr/local/bin/latchkey
USER node
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health/ready`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
