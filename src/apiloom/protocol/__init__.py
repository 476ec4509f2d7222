"""MCP as tables and frames: revisions, header rules, JSON-RPC, SSE. Pure; opens nothing and serves nobody."""
