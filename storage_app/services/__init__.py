"""The operations of the service: which steps, in which order. Those for a principal check its permissions first."""
