"""The user's function ``preprocessing``: loaded, called on ranges of events; a file as it leaves it."""
