"""The door: entry point, settings, wiring, the ASGI application. The only room that knows everyone."""
