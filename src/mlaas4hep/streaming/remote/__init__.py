"""Data on servers."""
