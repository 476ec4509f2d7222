"""OAuth 2.0 as a client: what is asked of a token endpoint and what it answers. Sends nothing by itself."""
