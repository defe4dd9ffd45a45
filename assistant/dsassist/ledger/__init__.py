"""What became of the completions that were shown: counted on this machine, for the user alone; no code, no paths."""
