"""The hosted page where a person connects an account."""
