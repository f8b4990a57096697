"""What servers share: HTTP and its limits, access, bodies, errors, telemetry, certificates."""
