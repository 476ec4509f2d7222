"""Signing in at the gateway: its pages for people and its endpoints for MCP clients. Loaded only where it is used."""
