"""The HTTP server: it holds no model, it supervises the engine process."""
