"""What many slow clients at once do to everybody else."""
