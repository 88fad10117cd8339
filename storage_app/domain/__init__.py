"""The nouns of the service and their rules. Nothing here does I/O."""
