"""Buckets as directories of plain files."""
