"""How good a model is at what is held out of a corpus: any GGUF that the runtime runs."""

from dsassist_train.evaluation.command import DESCRIPTION, HELP, add_arguments, run

__all__ = ["DESCRIPTION", "HELP", "add_arguments", "run"]
