"""What we remember: for now what is too large to be said, and files on their way to an API."""
