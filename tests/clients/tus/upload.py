"""Uploads a file with tuspy: upload.py ENDPOINT FILE TOKEN CHUNK_BYTES. In a process of its own, as it leaks files."""

import sys

from tusclient.client import TusClient

endpoint, path, token, chunk_bytes = sys.argv[1:]
client = TusClient(endpoint, headers={"Authorization": f"Bearer {token}"})
metadata = {"bucket_id": "photos", "file_id": "film.bin"}
client.uploader(path, chunk_size=int(chunk_bytes), metadata=metadata, retries=60, retry_delay=0.25).upload()
