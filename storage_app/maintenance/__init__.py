"""What operators and the service itself do to a store beside its requests."""
