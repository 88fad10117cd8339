"""What makes load: for large objects this process, which moves no byte itself; for small ones wrk."""
