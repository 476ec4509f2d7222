"""A catalog as something else: tool definitions for model APIs, client configuration, source."""
