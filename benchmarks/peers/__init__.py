"""What the service is measured beside, and the ways into the service itself: adapters of the port in `targets`."""
