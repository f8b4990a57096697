"""From physics to tensors."""
