"""What stands between the cursor and the engine: the window of text, where to stop, what is shown."""
