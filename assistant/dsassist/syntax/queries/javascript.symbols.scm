(class_declaration name: (identifier) @name body: (_) @body) @class
(function_declaration name: (identifier) @name body: (_) @body) @function
(generator_function_declaration name: (identifier) @name body: (_) @body) @function
(class_body (method_definition name: (property_identifier) @name body: (_) @body) @method)
(class_body (field_definition property: (property_identifier) @name) @field)
(lexical_declaration (variable_declarator name: (identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)])) @function
(program (lexical_declaration (variable_declarator name: (identifier) @name
  value: [(number) (string) (template_string) (array) (object) (call_expression) (new_expression)])) @constant)
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name
  value: [(number) (string) (template_string) (array) (object) (call_expression) (new_expression)])) @constant))
(assignment_expression left: (member_expression property: (property_identifier) @name)
  right: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @function
