"""The resources of this machine: files, locks, processors. Nothing here knows the buckets of the service."""
