"""Figures, importance and report of a trained model."""
