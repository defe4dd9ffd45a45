"""What a completion and a review are: context, prompts, findings, configuration, the command line."""
