"""One file for each migration, never changed once it is released."""
