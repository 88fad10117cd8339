"""Maintenance of a store, by operators and by the service itself, outside of requests."""
