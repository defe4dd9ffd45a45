"""How much evidence findings need so that at most 1 of 100 unchanged functions raises one, learnt from the user's code.

`fit` has the rule, `drawing` says which functions are looked at, `calibration` looks at one after another, `record`
keeps what was measured for each model file, and `current` knows which thresholds hold for a review.
"""
