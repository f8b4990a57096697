"""Layer 2: from events to a trained model and its bundle."""
