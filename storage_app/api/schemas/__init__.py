"""Schemas of the JSON in requests and responses."""
