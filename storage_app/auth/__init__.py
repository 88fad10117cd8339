"""Who asks, and what they may do: credentials, signed URLs and the permission table."""
