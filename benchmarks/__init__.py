"""Measurements of the service on this machine: run a module with `python -m`."""
