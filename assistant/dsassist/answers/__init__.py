"""What the model was asked before is not asked again: its answers, kept on this machine."""
