"""The one way out to the network: pooled client, byte-exact targets, deadlines, TLS. The only importer of the HTTP client."""
