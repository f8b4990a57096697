"""Model versions: loading, the pool in memory, draining, polling of the repository, and the data plane."""
