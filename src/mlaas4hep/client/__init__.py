"""Python clients of the servers."""
