"""The instruct reviewer: a model that follows instructions is asked about each changed function, in words.

Small models report a bug in everything. So one runs only after it was tried on unchanged functions, and each report
must survive a second kind of evidence: the fix that comes with it has to be far likelier than what is written, by the
measure of the likelihood reviewer. What the model reads was written by others, and it may do as that says; all that
can come of it is such a report on a line of the function that it was asked about, of severity `info`.
"""

from dsassist.review.instruct.opening import open_instruct_reviewer

__all__ = ["open_instruct_reviewer"]
