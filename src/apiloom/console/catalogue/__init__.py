"""Well-known APIs as data: what to import them from and what to know before. Nothing here asks the network."""
