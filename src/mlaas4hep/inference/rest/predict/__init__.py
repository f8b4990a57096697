"""Predictions by TFaaS's calls, and of whole ROOT files."""
