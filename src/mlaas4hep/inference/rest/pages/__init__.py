"""Pages and the OpenAPI document."""
