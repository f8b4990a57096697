"""The protocol-free data plane: events in, models in memory, scores out."""
