"""The review of a change: what was changed, what could stand there instead, and what the model makes of it."""
