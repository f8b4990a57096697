"""How fast data is read, and what it takes."""
