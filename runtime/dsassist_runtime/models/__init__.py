"""Which models there are, where they lie, and how they come there."""
