"""`dsassist bench review`: what the review finds in code that is younger than the model, and what it finds wrongly."""
