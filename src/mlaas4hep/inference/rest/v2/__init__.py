"""Open Inference Protocol over REST."""
