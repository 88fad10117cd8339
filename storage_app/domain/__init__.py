"""The nouns of the service and their rules. Nothing here reads or writes."""
