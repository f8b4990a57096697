"""Classification of event images with a small residual network."""
