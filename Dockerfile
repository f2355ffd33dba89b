# One image for all services: `docker build --platform linux/amd64 --tag NAME .`, or cloudbuild.yaml.
# `python -m scripts.build_image FOLDER` runs the steps below without Docker.

# The Python that the tests run with. To pin its content, too, give the digest that your registry tells:
#   --build-arg PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# Nothing but wheels whose hashes are in the lock file, and no code of theirs runs while they are fetched.
# First and by itself, so that a change of our code does not fetch them again.
COPY requirements/cloud.txt requirements/cloud.txt
RUN python -m pip download --quiet --require-hashes --only-binary :all: --dest wheels -r requirements/cloud.txt

# Our own wheel, made with the locked build tools, which stay here.
RUN python -m venv tools && \
    tools/bin/python -m pip install --quiet --no-index --find-links wheels hatchling editables
COPY pyproject.toml README.md LICENSE ./
COPY services services
COPY shared shared
RUN tools/bin/python -m pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir wheels .

# Out of the fetched wheels come those that we need at run time: no pip, no build tools.
RUN python -m venv --without-pip /opt/productive-ingest && \
    python -m pip --python /opt/productive-ingest/bin/python install --quiet --no-index --find-links wheels "productive-ingest[cloud]"
COPY scripts/sbom.py scripts/sbom.py
RUN python scripts/sbom.py --environment /opt/productive-ingest --wheels wheels --lock requirements/cloud.txt --output /opt/productive-ingest/sbom.cdx.json


FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="productive-ingest" \
      org.opencontainers.image.description="Every record an agency has in Productive, in a warehouse" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      productive-ingest.sbom="/opt/productive-ingest/sbom.cdx.json"

# What installs and builds packages has no business where they only run.
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip setuptools wheel && \
    rm -rf /usr/local/lib/python3.11/ensurepip

COPY --from=builder /opt/productive-ingest /opt/productive-ingest

# Nothing is written to the file system, so it may be read-only; what libraries might put in a home goes to
# /tmp. In a container only an address of all interfaces is reached from outside.
ENV PATH=/opt/productive-ingest/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RECEIVER_HOST=0.0.0.0
WORKDIR /srv
# By number, so that Kubernetes can see that it is not root. The number owns nothing.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/opt/productive-ingest/bin/productive-ingest"]
CMD ["--help"]
