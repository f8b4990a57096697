"""Running a server: settings, security, limits, metrics, logs, processes."""
