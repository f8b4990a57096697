"""Scores for whole files, and the evaluation of a bundle on other data."""
