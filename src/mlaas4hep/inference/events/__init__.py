"""Events to feature rows, and rows to tensors."""
