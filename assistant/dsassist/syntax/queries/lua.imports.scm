(assignment_statement (variable_list name: (identifier) @module_alias) (expression_list value:
  (function_call name: (identifier) @_require arguments: (arguments (string) @module)))
  (#eq? @_require "require"))
