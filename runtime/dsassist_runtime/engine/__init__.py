"""The engine process: one model, one decode loop."""
