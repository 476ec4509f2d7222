"""What an API is: operations, schemas, findings. Pure values and JSON Schema tools; no format, no network, no MCP."""
