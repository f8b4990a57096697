"""From the user's model file to a trained model."""
