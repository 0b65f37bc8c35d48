# The proxy is the only container with published ports. It balances requests across the replicas and requires a password
# for Dagster, MLflow and Prometheus. It uses the distribution's nginx so that security updates come with the base image.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="PMMDS proxy" \
      org.opencontainers.image.description="nginx before the service, the console, Dagster, MLflow and Prometheus" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends nginx \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 pmmds \
 && useradd --uid 10001 --gid 10001 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin pmmds
COPY deploy/docker/proxy.conf /etc/nginx/nginx.conf
USER 10001:10001
EXPOSE 8000 50051 8010 3000 5000 9090 3001
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
  CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8081/', timeout=3)"]
ENTRYPOINT ["nginx", "-g", "daemon off;"]
