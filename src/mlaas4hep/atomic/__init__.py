"""Files that are there whole or not at all, whatever ends the process."""
