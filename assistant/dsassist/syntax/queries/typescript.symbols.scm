(class_declaration name: (type_identifier) @name body: (_) @body) @class
(abstract_class_declaration name: (type_identifier) @name body: (_) @body) @class
(interface_declaration name: (type_identifier) @name body: (_) @body) @interface
(enum_declaration name: (identifier) @name) @enum
(type_alias_declaration name: (type_identifier) @name) @type
(internal_module name: (identifier) @name body: (_) @body) @module
(function_declaration name: (identifier) @name body: (_) @body) @function
(generator_function_declaration name: (identifier) @name body: (_) @body) @function
(function_signature name: (identifier) @name) @function
(class_body (method_definition name: (property_identifier) @name body: (_) @body) @method)
(class_body (abstract_method_signature name: (property_identifier) @name) @method)
(class_body (public_field_definition name: (property_identifier) @name) @field)
(interface_body (property_signature name: (property_identifier) @name) @field)
(interface_body (method_signature name: (property_identifier) @name) @method)
(lexical_declaration (variable_declarator name: (identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)])) @function
(program (lexical_declaration (variable_declarator name: (identifier) @name
  value: [(number) (string) (template_string) (array) (object) (call_expression) (new_expression) (as_expression)])) @constant)
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name
  value: [(number) (string) (template_string) (array) (object) (call_expression) (new_expression) (as_expression)])) @constant))
