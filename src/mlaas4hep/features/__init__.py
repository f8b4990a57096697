"""Events in, feature columns out: pure, and the same code in training and in serving."""
