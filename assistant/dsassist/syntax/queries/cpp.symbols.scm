(function_definition declarator: (function_declarator declarator: [(identifier) (field_identifier) (operator_name)
  (destructor_name)] @name) body: (_) @body) @function
(function_definition declarator: (_ (function_declarator declarator: [(identifier) (field_identifier) (operator_name)]
  @name)) body: (_) @body) @function
(function_definition declarator: (function_declarator declarator: (qualified_identifier
  scope: (_) @container name: [(identifier) (destructor_name) (operator_name)] @name)) body: (_) @body) @method
(function_definition declarator: (_ (function_declarator declarator: (qualified_identifier
  scope: (_) @container name: [(identifier) (operator_name)] @name))) body: (_) @body) @method
(function_definition declarator: (function_declarator declarator: (qualified_identifier name: (qualified_identifier
  scope: (_) @container name: [(identifier) (destructor_name) (operator_name)] @name))) body: (_) @body) @method
(function_definition declarator: (_ (function_declarator declarator: (qualified_identifier name: (qualified_identifier
  scope: (_) @container name: [(identifier) (operator_name)] @name)))) body: (_) @body) @method
(declaration declarator: (function_declarator declarator: (identifier) @name)) @function
(declaration declarator: (_ (function_declarator declarator: (identifier) @name))) @function
(field_declaration declarator: (function_declarator declarator: (field_identifier) @name)) @method
(field_declaration declarator: (_ (function_declarator declarator: (field_identifier) @name))) @method
(class_specifier name: (type_identifier) @name body: (_) @body) @class
(struct_specifier name: (type_identifier) @name body: (_) @body) @class
(union_specifier name: (type_identifier) @name body: (_) @body) @class
(enum_specifier name: (type_identifier) @name body: (_)) @enum
(namespace_definition name: (_) @name body: (_) @body) @module
(type_definition declarator: (type_identifier) @name) @type
(alias_declaration name: (type_identifier) @name) @type
(concept_definition name: (identifier) @name) @interface
(field_declaration declarator: (field_identifier) @name) @field
(field_declaration declarator: (_ declarator: (field_identifier) @name)) @field
(field_declaration declarator: (reference_declarator (field_identifier) @name)) @field
(preproc_def name: (identifier) @name) @macro
(preproc_function_def name: (identifier) @name) @macro
(translation_unit (declaration declarator: (init_declarator declarator: (identifier) @name)) @variable)
(declaration_list (declaration declarator: (init_declarator declarator: (identifier) @name)) @variable)
