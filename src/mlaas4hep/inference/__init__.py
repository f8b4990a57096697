"""Layer 3: a bundle in use."""
