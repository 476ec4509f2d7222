"""What we remember: records in a database, what is too large to be said, and files on their way to an API."""
