(command name: (command_name) @_source . argument: (_) @relative (#match? @_source "^(source|\\.)$"))
