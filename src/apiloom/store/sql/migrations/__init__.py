"""The schema's history. Each migration only adds (expand); what it replaces goes two releases later (contract)."""
