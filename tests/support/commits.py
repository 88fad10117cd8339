"""Commits over several keys: short ways to make one, and to see what came of it."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from storage_app.blobstore import StagedBlob, StagedSidecar, new_blob_name
from storage_app.domain.buckets import Bucket
from storage_app.domain.intents import Intent, IntentKind
from storage_app.journal.commit import Commit
from tests.support.core import Core, a_file

Staged = tuple[StagedSidecar, StagedBlob]


@contextmanager
def writing(core: Core, bucket: Bucket, data: dict[str, bytes]) -> Iterator[tuple[Commit, list[Staged]]]:
    """Stage `data` by key, and begin one commit over its keys in their order in `data`."""
    intents = [Intent(core.commits.process, IntentKind.WRITE, bucket.uid, key) for key in data]
    with ExitStack() as stack:
        for intent in intents:
            stack.enter_context(core.commits.recorded(intent))
        staged = [stage(core, stack, bucket, key, content) for key, content in data.items()]
        commit = stack.enter_context(core.commits.keys([(intent, bucket) for intent in intents]))
        yield commit, staged


def stage(core: Core, stack: ExitStack, bucket: Bucket, key: str, content: bytes) -> Staged:
    blob = stack.enter_context(core.store.stage(bucket))
    blob.write(content)
    file = a_file(
        key,
        bucket_uid=bucket.uid,
        blob=new_blob_name(key),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return stack.enter_context(core.store.stage_sidecar(bucket, file, blob)), blob


def replace_all(core: Core, bucket: Bucket, data: dict[str, bytes]) -> None:
    with writing(core, bucket, data) as (commit, staged):
        for locked, (sidecar, blob) in zip(commit.keys, staged, strict=True):
            commit.replace(locked, sidecar, blob)


def contents(core: Core, *keys: str) -> list[bytes]:
    found = [core.file(key) for key in keys]
    return [b"none" if file is None else core.read(file) for file in found]
