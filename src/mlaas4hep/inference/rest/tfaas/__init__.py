"""TFaaS's calls for models."""
