"""Authentication and authorization: credentials, signed URLs and the permission table."""
