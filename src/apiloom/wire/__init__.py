"""MCP spoken to clients, every era, over HTTP and standard input. Nothing above or below knows which era speaks."""
