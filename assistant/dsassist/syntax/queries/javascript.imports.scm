(import_statement (import_clause (identifier) @default) source: (string) @module)
(import_statement (import_clause (namespace_import (identifier) @module_alias)) source: (string) @module)
(import_statement (import_clause (named_imports (import_specifier name: (identifier) @name !alias))) source: (string) @module)
(import_statement (import_clause (named_imports
  (import_specifier name: (identifier) @name alias: (identifier) @alias))) source: (string) @module)
(import_statement . source: (string) @module)
(variable_declarator name: (identifier) @module_alias
  value: (call_expression function: (identifier) @_require arguments: (arguments . (string) @module))
  (#eq? @_require "require"))
(variable_declarator name: (object_pattern (shorthand_property_identifier_pattern) @name)
  value: (call_expression function: (identifier) @_require arguments: (arguments . (string) @module))
  (#eq? @_require "require"))
(variable_declarator name: (object_pattern
    (pair_pattern key: (property_identifier) @name value: (identifier) @alias))
  value: (call_expression function: (identifier) @_require arguments: (arguments . (string) @module))
  (#eq? @_require "require"))
(export_statement source: (string) @module)
