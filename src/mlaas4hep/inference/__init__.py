"""Layer 3: the inference server."""
