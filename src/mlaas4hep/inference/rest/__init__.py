"""HTTP routes: thin, over the data plane."""
