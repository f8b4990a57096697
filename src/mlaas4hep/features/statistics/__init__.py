"""What is known of the values of a branch: sums that merge, whatever the order."""
