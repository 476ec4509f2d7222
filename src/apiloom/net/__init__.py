"""The one way out to the network: pooled client, exact targets, deadlines, TLS. Only here is the client imported."""
