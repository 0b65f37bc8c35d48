# Everything runs in .venv, which `make setup` creates inside the checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
SPARK_STAMP := $(VENV)/.spark-ready
SCALE_STAMP := $(VENV)/.scale-ready
DOCS_STAMP := $(VENV)/.docs-ready
SCALE_FILES := requirements-celery.txt requirements-kubernetes.txt requirements-manifests.txt
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo up down logs download-data train seed-traffic monitor retrain migrate lint style types test test-fast test-coverage test-postgres test-slow test-scale test-faults test-compose smoke secrets bench bench-drift bench-production bench-promotion bench-serving soak compile sbom audit pictures charts protos docs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' Makefile

# uv is installed in .venv so that setup takes seconds instead of minutes and the machine does not need uv.
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PMMDS needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Run make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $(STAMP)

# This is separate because Spark takes 400 MB and only one test needs it.
$(SPARK_STAMP): $(STAMP) requirements-spark.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-spark.txt
	@touch $(SPARK_STAMP)

# This is separate for the same reason: Celery, the Kubernetes launcher and the Kubernetes schemas.
$(SCALE_STAMP): $(STAMP) $(SCALE_FILES)
	@for f in $(SCALE_FILES); do $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $$f || exit 1; done
	@touch $(SCALE_STAMP)

# This is separate because only `make docs` needs the site generator.
$(DOCS_STAMP): $(STAMP) requirements-docs.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-docs.txt
	@touch $(DOCS_STAMP)

setup: $(STAMP) ## create .venv with all dependencies and pmmds

demo: $(STAMP) ## run the whole loop with real processes in a few minutes
	$(BIN)/pmmds demo $(ARGS)

up: $(STAMP) ## start the service, Dagster and MLflow under a supervisor
	$(BIN)/pmmds up $(ARGS)

down: $(STAMP) ## stop what `make up` started
	$(BIN)/pmmds down $(ARGS)

logs: $(STAMP) ## show the logs of the processes
	$(BIN)/pmmds logs $(ARGS)

download-data: $(STAMP) ## download the public Telco file
	$(BIN)/pmmds data download $(ARGS)

train: $(STAMP) ## run train_job
	$(BIN)/pmmds train $(ARGS)

seed-traffic: $(STAMP) ## send requests with labels to the service
	$(BIN)/pmmds traffic --count 500 --labels $(ARGS)

monitor: $(STAMP) ## run monitor_job
	$(BIN)/pmmds monitor $(ARGS)

retrain: $(STAMP) ## retrain if a trigger is active
	$(BIN)/pmmds retrain $(ARGS)

migrate: $(STAMP) ## migrate the database schema
	$(BIN)/pmmds db migrate $(ARGS)

lint: style types ## ruff, mypy strict, import directions

style: $(STAMP) ## ruff format and rules, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(STAMP) ## mypy strict
	$(BIN)/mypy

test-fast: $(STAMP) ## unit tests: SQLite only, no servers
	$(BIN)/pytest -n 2 --dist loadgroup pmmds_tests/core pmmds_tests/architecture -m 'not postgres and not process and not telco and not slow and not faults and not compose and not scale' $(ARGS)

test: $(STAMP) ## all tests except those below, on SQLite and PostgreSQL
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

test-coverage: ## run make test and measure line coverage; fails below the minimum in pyproject.toml
	@$(MAKE) test ARGS="--cov --cov-report=term $(ARGS)"

test-postgres: $(STAMP) ## run the stores' tests on another PostgreSQL version: PMMDS_TEST_POSTGRES=/usr/lib/postgresql/15/bin
	$(BIN)/pytest -n 2 --dist loadgroup -m 'postgres and not slow and not faults and not scale' pmmds_tests/core/stores $(ARGS)

test-slow: $(STAMP) ## longer tests: roles, S3, shadow, artifact verification, full disks, real data
	$(BIN)/pytest -n 2 --dist loadgroup -m slow $(ARGS)

test-scale: $(SPARK_STAMP) $(SCALE_STAMP) ## a real Celery broker and worker, spark-submit, Kubernetes schemas
	$(BIN)/pytest -n 2 --dist loadgroup -m scale $(ARGS)

test-faults: $(STAMP) ## kill workers, stop databases and fill spools under load
	$(BIN)/pytest -m faults $(ARGS)

smoke: $(STAMP) ## train, start the service with temporary state, call its live endpoints
	.ci/smoke

secrets: ## write random passwords for the Compose files; existing ones are not changed
	$(PYTHON) deploy/compose/make_secrets.py

test-compose: $(STAMP) ## build the images, run the whole loop in containers, stop some of them; needs Docker
	$(BIN)/pytest -n 0 -s -m compose pmmds_tests/compose $(ARGS)

bench-serving: $(STAMP) ## the service under load, compared with alternatives; needs wrk
	@for m in serving bench_grpc bench_swap bench_cold_start bench_metrics; do echo "== $$m"; $(BIN)/python -m benchmarks.$$m || exit 1; done

bench-drift: $(STAMP) ## drift detection: speed compared with other libraries, error rates
	$(BIN)/python -m benchmarks.drift $(ARGS)
	@if [ -f benchmarks/drift_statistics.py ]; then $(BIN)/python -m benchmarks.drift_statistics; fi

bench-production: $(STAMP) ## PostgreSQL, archive, constant load, containers; ARGS="--part copy"
	$(BIN)/python -m benchmarks.production $(ARGS)

bench-promotion: $(STAMP) ## error rates of promotions, killed promotions, time from alert to new version; ARGS="--part loop"
	$(BIN)/python -m benchmarks.promotion $(ARGS)

soak: $(STAMP) ## ten minutes of constant load: memory, pauses, recorded rows; needs hey
	$(BIN)/python -m benchmarks.soak $(ARGS)

bench: $(STAMP) ## run all benchmarks and print ratios
	@for f in benchmarks/bench_*.py; do m=$$(basename $$f .py); echo "== $$m"; $(BIN)/python -m benchmarks.$$m $(ARGS) || exit 1; done

# The images use Linux and the Python version of their base image; the hashes cover every platform.
IMAGE_LOCK := --universal --python-version 3.11 --no-emit-index-url --generate-hashes --no-annotate --no-strip-extras

compile: $(STAMP) ## update requirements.txt and the images' requirements
	$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --universal --python-version 3.11 --no-emit-index-url --generate-hashes -o requirements.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --extra serving --extra postgres --extra tracing --constraint requirements.txt $(IMAGE_LOCK) -o deploy/docker/requirements-serving.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --extra assets --extra console --extra postgres --extra s3 --constraint requirements.txt $(IMAGE_LOCK) -o deploy/docker/requirements-assets.txt
	echo 'hatchling>=1.27' | $(BIN)/uv pip compile --quiet - --constraint requirements.txt $(IMAGE_LOCK) -o deploy/docker/requirements-build.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --extra spark --constraint requirements.txt --universal --python-version 3.11 --no-emit-index-url --generate-hashes --no-annotate -o requirements-spark.txt
	@for extra in celery docs kubernetes manifests; do $(BIN)/uv pip compile --quiet pyproject.toml --extra $$extra --constraint requirements.txt --universal --python-version 3.11 --no-emit-index-url --generate-hashes --no-annotate -o requirements-$$extra.txt || exit 1; done

sbom: $(STAMP) ## write sbom.json (CycloneDX) with all packages of requirements.txt and their hashes
	$(BIN)/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json

# pip-audit queries a public vulnerability database. The result changes over time, so it is not part of the tests.
audit: $(STAMP) ## check requirements.txt for known vulnerabilities; needs internet access
	$(BIN)/uv tool run pip-audit --requirement requirements.txt --require-hashes --disable-pip $(ARGS)

pictures: $(STAMP) ## run the demo and take the pictures of the documentation; needs Chromium
	$(BIN)/python -m pmmds_tests.harness.documentation_pictures $(ARGS)

charts: $(STAMP) ## compile the report charts from their Altair designs
	$(BIN)/python -m pmmds_core.reports.chart_designs

protos: $(STAMP) ## regenerate pmmds_serving/generated from the .proto
	$(BIN)/python -m pmmds_tests.harness.proto_compiler

# Zensical stops at a broken link or anchor; site_check also reads the built pages and forbids files from other hosts.
docs: $(DOCS_STAMP) ## build the documentation site in build/site; warnings are errors
	$(BIN)/python -W ignore -m pmmds_tests.harness.docs_site
	$(BIN)/zensical build --clean --strict
	$(BIN)/python -m pmmds_tests.harness.docs_site.site_check build/site
