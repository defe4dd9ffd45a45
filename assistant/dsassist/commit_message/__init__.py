"""A draft of a commit's message from what is staged, by an instruct model."""
