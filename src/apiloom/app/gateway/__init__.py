"""The serving node of the gateway: records in memory, endpoints made when first called, secret URLs, hot change."""
