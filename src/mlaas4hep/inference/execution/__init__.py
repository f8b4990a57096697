"""Runs models: in the event loop, in threads, in worker processes; batched or not."""
