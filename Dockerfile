# The service as run.sh starts it, except that SECRET_KEY must be given:
#   docker build -t selfdb-storage .
#   docker run -p 8001:8001 -e SECRET_KEY=... -v storage:/data/storage selfdb-storage
# .ci/image builds on another base, of Debian's packages.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /build
COPY requirements-build.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --require-hashes -r requirements-build.txt
COPY LICENSE README.md pyproject.toml requirements.in ./
COPY storage_app ./storage_app
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheel .

FROM ${BASE}

# A fixed user id, so that the owner of a volume can be set in advance: chown 10001:10001.
RUN groupadd --system --gid 10001 storage \
 && useradd --system --uid 10001 --gid storage --no-create-home --home-dir /nonexistent storage \
 && install -d -o storage -g storage /data/storage

WORKDIR /srv/selfdb-storage

# Copied before the code, so that a change to the code does not install them again.
COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --require-hashes -r requirements.txt

COPY --from=build /wheel /wheel
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --no-deps --no-index /wheel/*.whl
# For `flask --app wsgi` and `gunicorn wsgi:app`.
COPY gunicorn.conf.py wsgi.py ./

# Nothing outside a container can reach its loopback.
ENV HOST=0.0.0.0 \
    STORAGE_PATH=/data/storage \
    PYTHONUNBUFFERED=1

VOLUME /data/storage
EXPOSE 8001
USER 10001:10001

# Healthy only after recovery, which may take a while after a crash. ProxyHandler({}): never through http_proxy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10m --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + (os.environ.get('PORT') or '8001') + '/health', timeout=4)"]

# Transfers in progress have 30 seconds to finish: docker stop --time 40.
STOPSIGNAL SIGTERM
CMD ["selfdb-storage", "serve"]
