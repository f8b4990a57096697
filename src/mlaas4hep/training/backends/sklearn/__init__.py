"""Training with scikit-learn and LightGBM."""
