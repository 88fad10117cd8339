"""Resumable uploads on the disk: a directory each, beside the store of finished files."""
