# The service as run.sh starts it, except that SECRET_KEY must be given:
#   docker build -t selfdb-storage .
#   docker run -p 8001:8001 -e SECRET_KEY=... -v storage:/data/storage selfdb-storage
FROM python:3.13-slim

# The same user on every host, so that a volume's owner can be given in advance: chown 10001:10001.
RUN groupadd --system --gid 10001 storage \
 && useradd --system --uid 10001 --gid storage --no-create-home --home-dir /nonexistent storage \
 && install -d -o storage -g storage /data/storage

WORKDIR /srv/selfdb-storage

# Before the code, so that a change of the code does not install again.
COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --require-hashes -r requirements.txt

COPY LICENSE gunicorn.conf.py wsgi.py ./
COPY storage_app ./storage_app
RUN python -m compileall -q storage_app wsgi.py

# A container's own loopback is of no use to anybody outside it.
ENV HOST=0.0.0.0 \
    STORAGE_PATH=/data/storage \
    PYTHONUNBUFFERED=1

VOLUME /data/storage
EXPOSE 8001
USER 10001:10001

# Healthy only when recovery is done, which may take a while after a crash. ProxyHandler({}): never through http_proxy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10m --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + (os.environ.get('PORT') or '8001') + '/health', timeout=4)"]

# Workers end their transfers within 30 seconds: docker stop --time 40.
STOPSIGNAL SIGTERM
CMD ["gunicorn", "wsgi:app"]
