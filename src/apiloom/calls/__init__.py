"""Call, Outcome, Endpoint, Directory, the chain of policies, and the ports they need. Pure."""
