"""The first pass over the data."""
