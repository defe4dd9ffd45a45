"""The subcommands of `dsassist`, a module each, found through the entry-point group `dsassist.commands`."""
