"""How a change becomes durable, or is recovered."""
