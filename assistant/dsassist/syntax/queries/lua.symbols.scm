(function_declaration name: (identifier) @name body: (_)? @body) @function
(function_declaration name: (dot_index_expression table: (_) @container field: (identifier) @name) body: (_)? @body) @method
(function_declaration name: (method_index_expression table: (_) @container method: (identifier) @name) body: (_)? @body) @method
(chunk (variable_declaration (assignment_statement (variable_list name: (identifier) @name)
  (expression_list value: [(number) (string) (table_constructor) (function_definition)]))) @variable)
(chunk (assignment_statement (variable_list name: (dot_index_expression table: (_) @container field: (identifier) @name))
  (expression_list value: (function_definition body: (_)? @body))) @method)
