"""Webhooks: the delivery of what is in the outbox to the backend."""
