"""At home in any project: errors, ids, clock, canonical JSON, plug-in loading. Knows nothing of APIs or MCP."""
