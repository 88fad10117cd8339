"""The shapes of JSON: what requests carry, and what responses carry."""
