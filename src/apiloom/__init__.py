"""apiloom: any API becomes MCP tools, served to AI agents through one gateway."""

__version__ = "0.1.0"
