"""`dsassist bench typing`: what keystrokes cost and what a person sees, replayed from real git histories."""
