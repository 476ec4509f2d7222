"""Putting a server into the configuration of MCP clients without harming what stands there."""
