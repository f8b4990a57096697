"""What ``mlaas4hep doctor`` looks at, one module a subject; each gives checks for one table."""
