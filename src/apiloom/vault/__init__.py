"""Secrets and the signers that use them. Never sees who calls."""
