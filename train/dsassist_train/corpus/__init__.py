"""Source trees become a corpus: which projects may be taken, which of their files, and the folder that is written."""
