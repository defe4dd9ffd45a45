"""`dsassist bench fim`: holes cut into real code that is younger than the model, filled by dsassist and by its peer."""
