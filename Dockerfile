# The base by tag. Pin it for a release: --build-arg PYTHON_IMAGE=python:3.12-slim@sha256:... with the digest that
# `docker buildx imagetools inspect python:3.12-slim` prints; docs/operators/deploy.md says how.
ARG PYTHON_IMAGE=python:3.12-slim

# Stage 1: wheels of this package and of everything it needs; durable-rules is built from source here.
FROM ${PYTHON_IMAGE} AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY deploy/requirements.txt ./deploy/requirements.txt
COPY src ./src
COPY rules ./rules
COPY docs/rule-authors/checks ./docs/rule-authors/checks
COPY fhir_examples ./fhir_examples
# Each file of others is the one that was locked: its hash is compared.
RUN pip wheel --no-cache-dir --wheel-dir /wheels --require-hashes --requirement deploy/requirements.txt \
    && pip wheel --no-cache-dir --wheel-dir /wheels --no-deps .

# Stage 2: no compiler, no source, no root. The root file system may be read-only: only the volume and /tmp are written.
FROM ${PYTHON_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Thirdline" \
      org.opencontainers.image.description="FHIR-aware, explainable decision support for treatment-resistant depression" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
RUN useradd --system --uid 10001 --no-create-home cds && install -d -m 0700 -o cds -g cds /var/lib/thirdline
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links /wheels 'thirdline[oidc,otel,postgres]' && rm -rf /wheels
COPY NOTICE /usr/share/doc/thirdline/NOTICE
USER 10001
VOLUME /var/lib/thirdline
EXPOSE 8000
STOPSIGNAL SIGTERM
# It listens on every address, so it starts once CDS_TENANTS names who may call, or CDS_UNAUTHENTICATED=true says anybody.
ENV CDS_HOST=0.0.0.0 CDS_PORT=8000 CDS_JOURNAL=/var/lib/thirdline/journal.sqlite3 PYTHONDONTWRITEBYTECODE=1
HEALTHCHECK --interval=30s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['CDS_PORT']}/health\", timeout=2)"]
CMD ["cds", "serve"]
