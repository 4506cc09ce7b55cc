# Latchkey without its development tools, as an unprivileged user. There is no build step: Node 24
# strips the types at load.
FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# The optional packages are the embedded Postgres: containers use a separate one (DATABASE_URL).
# Of the install scripts (allowScripts in package.json) only argon2's is left: it picks its binary.
RUN npm ci --omit=dev --omit=optional && npm cache clean --force

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY src ./src
COPY adapters ./adapters
COPY keys ./keys
COPY migrations ./migrations
COPY views ./views
COPY locales ./locales
COPY seeds ./seeds
RUN chmod 0755 src/cli.ts && ln -s /app/src/cli.ts /usr/local/bin/latchkey
# The compiled code of every module, created by the user that reads it. Without a configuration the
# start exits with 78 after all modules are loaded.
RUN install -d -o node node_modules/.cache/latchkey
USER node
RUN node --expose-gc --max-semi-space-size=16 --no-parallel-scavenge --import ./src/code-cache.js src/main.ts 2>/dev/null || [ $? -eq 78 ]
USER root
RUN chown -R root:root node_modules/.cache && chmod -R a+rX node_modules/.cache
# Root owns all files: the process writes none, so the file system may be mounted read-only.
USER node
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health/ready`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--expose-gc", "--max-semi-space-size=16", "--no-parallel-scavenge", "--import", "./src/code-cache.js", "src/main.ts"]
