# The server for a private network, behind a proxy that ends TLS. All settings come from the
# environment when it starts; none is baked in. PUBLIC_URL is required, because it listens on every
# address. Nothing is written to disk, so a read-only root file system works:
#   docker build -t okta-mcp .
#   docker run --read-only --cap-drop ALL --env-file .env -p 127.0.0.1:3001:3001 okta-mcp

FROM python:3.11-slim AS build
RUN python -m venv /opt/okta-mcp
ENV PATH=/opt/okta-mcp/bin:$PATH
WORKDIR /build
# Before the source, so that a change in it does not install everything again.
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY okta_mcp ./okta_mcp
RUN pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
COPY --from=build /opt/okta-mcp /opt/okta-mcp
ENV PATH=/opt/okta-mcp/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /srv
USER 10001:10001
EXPOSE 3001
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 3001, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "okta_mcp.oauth_proxy.server", "--host", "0.0.0.0", "--port", "3001"]
