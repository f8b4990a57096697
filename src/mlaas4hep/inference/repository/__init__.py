"""Keeping models on disk: whole or not at all."""
