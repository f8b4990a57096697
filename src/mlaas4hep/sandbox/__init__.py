"""Work that is not trusted, in processes of its own: one way to start them, to confine them and to talk to them."""
