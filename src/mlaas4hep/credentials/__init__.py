"""Credentials for storage and services, found where the grid's own tools keep them; nothing here sends or shows one."""
