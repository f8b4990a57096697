"""HTTP routes over the data plane."""
