"""What all kinds of trees in ROOT files share."""
