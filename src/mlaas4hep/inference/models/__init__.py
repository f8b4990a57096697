"""Versions of models: loading, memory, draining, following the repository."""
