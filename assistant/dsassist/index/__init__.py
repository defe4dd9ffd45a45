"""What the workspace holds: its files, their symbols, and chunks of text that can be searched by their words."""
