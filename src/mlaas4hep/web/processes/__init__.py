"""The processes of a server: one, or several that a supervisor keeps running."""
