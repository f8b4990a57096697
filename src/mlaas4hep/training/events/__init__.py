"""The events of a training: labels, weights, targets, parts."""
