"""The mechanics of HTTP. Nothing here knows a service."""
