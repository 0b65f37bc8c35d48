# Image for training, monitoring and promotion: Dagster (code server, web server, daemon), MLflow and the console,
# without BentoML.
# Build from the root of the repository:  docker build -f deploy/docker/assets.Dockerfile -t pmmds-assets .
# To use your own package index or certificate, add --build-arg PIP_INDEX_URL=… --build-arg PIP_CERT=…
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_CERT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv --without-pip /opt/pmmds && python3 -m venv /opt/build
# Pinned dependencies change rarely, so they have a separate layer.
COPY deploy/docker/requirements-build.txt deploy/docker/requirements-assets.txt /locked/
RUN /opt/build/bin/pip install --quiet --require-hashes --only-binary :all: -r /locked/requirements-build.txt \
 && /opt/build/bin/pip --python /opt/pmmds/bin/python install --quiet --require-hashes --only-binary :all: --no-compile \
    -r /locked/requirements-assets.txt
COPY pyproject.toml README.md LICENSE dagster.yaml /source/
COPY pmmds /source/pmmds
COPY pmmds_core /source/pmmds_core
COPY pmmds_assets /source/pmmds_assets
COPY pmmds_serving /source/pmmds_serving
COPY pmmds_console /source/pmmds_console
COPY pmmds_cli /source/pmmds_cli
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheel /source \
 && /opt/build/bin/pip --python /opt/pmmds/bin/python install --quiet --no-deps --no-index --no-compile /wheel/*.whl
# Remove the libraries' tests and compile bytecode. Because the final file system is read-only, modules that are not
# compiled here are compiled at every start; only rarely imported modules are left uncompiled.
RUN cd /opt/pmmds/lib/python3.*/site-packages \
 && find matplotlib numpy pandas pyarrow scipy sklearn -type d -name tests -prune -exec rm -rf {} + \
 && /opt/pmmds/bin/python -m compileall -q -j 0 -x '/(databricks|pygments/lexers|sqlalchemy/testing)/' \
    --invalidation-mode unchecked-hash /opt/pmmds/lib

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="PMMDS assets" \
      org.opencontainers.image.description="Trains, monitors and promotes models: Dagster and MLflow" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The user id is fixed so that volume permissions and cluster policies can refer to it.
RUN groupadd --gid 10001 pmmds \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/pmmds --no-create-home --shell /usr/sbin/nologin pmmds \
 && install -d -o 10001 -g 10001 -m 0750 /var/lib/pmmds
COPY --from=build /opt/pmmds /opt/pmmds
ENV PATH=/opt/pmmds/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    PMMDS_HOME=/var/lib/pmmds PMMDS_DAGSTER_HOST=0.0.0.0 PMMDS_MLFLOW_HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/lib/pmmds
EXPOSE 3000 4000 5000 8010
HEALTHCHECK --interval=15s --timeout=30s --start-period=120s --retries=3 CMD ["python", "-m", "pmmds_cli.processes.health_check", "dagster-webserver"]
ENTRYPOINT ["pmmds"]
CMD ["run", "dagster-webserver"]
