"""The user's model file, and what it prints."""
