"""A catalog and ports become an Endpoint; compiled catalogs are kept in a cache."""
