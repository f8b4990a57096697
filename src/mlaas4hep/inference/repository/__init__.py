"""The repository of models on disk; each change is whole or not at all."""
