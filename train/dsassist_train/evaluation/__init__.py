"""How good a model is at what is held out of a corpus: any GGUF that the runtime runs."""
