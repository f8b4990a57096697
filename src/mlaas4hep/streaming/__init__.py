"""Layer 1: from files anywhere to blocks of events."""
