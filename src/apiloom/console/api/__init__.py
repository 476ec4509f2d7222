"""The admin API: the gateway's REST surface under ``/api/v1``. Loaded by dotted name only, for it brings FastAPI."""
