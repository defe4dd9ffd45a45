"""What a prompt gets to see beside the document itself: snippets of the workspace, and how they are chosen."""
