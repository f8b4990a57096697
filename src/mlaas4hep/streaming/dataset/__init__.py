"""Epochs over many files: order, reading ahead, chunks, memory, cache."""
