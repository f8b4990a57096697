"""Models that only the user's code can build; the original's layer."""
