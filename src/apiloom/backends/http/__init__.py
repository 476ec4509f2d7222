"""APIs over HTTP: plan, sign, send, shape."""
