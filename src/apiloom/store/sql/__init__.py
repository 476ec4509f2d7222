"""The store in a database: SQLite or PostgreSQL. Loaded by dotted name, never on a quick start."""
