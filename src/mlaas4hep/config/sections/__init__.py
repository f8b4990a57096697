"""The sections of a workflow: immutable parts that each room takes what it needs of."""
