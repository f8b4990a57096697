"""Connections: accepting them, what they may cost, the fast path."""
