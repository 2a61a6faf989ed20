# The server for a private network, behind a proxy that ends TLS. All settings come from the
# environment when it starts; none is baked in. PUBLIC_URL is required, because it listens on every
# address. Nothing is written to disk but a store that you ask for, so a read-only root works:
#   docker build -t okta-mcp .
#   docker run --read-only --cap-drop ALL --env-file .env -p 127.0.0.1:3001:3001 okta-mcp
# docs/deploy/ has the whole of it with Redis and TLS.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
# Before the source, so that a change in it does not install everything again.
COPY requirements.txt ./
COPY docker/install docker/install
RUN docker/install dependencies /opt/okta-mcp
COPY pyproject.toml README.md LICENSE ./
COPY okta_mcp ./okta_mcp
RUN docker/install server /opt/okta-mcp

FROM python:3.11-slim-bookworm
COPY --from=build /opt/okta-mcp /opt/okta-mcp
ENV PATH=/opt/okta-mcp/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /srv
USER 10001:10001
EXPOSE 3001
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-m", "okta_mcp", "health"]
STOPSIGNAL SIGTERM
# Other verbs: docker run … okta-mcp store check
ENTRYPOINT ["python", "-m", "okta_mcp"]
CMD ["serve", "--host", "0.0.0.0", "--port", "3001"]
