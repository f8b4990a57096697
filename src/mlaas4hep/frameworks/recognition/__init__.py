"""Which format a model file has, by its content."""
