"""The mechanics of HTTP, which know no service."""
