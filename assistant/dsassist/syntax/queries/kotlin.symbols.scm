(class_declaration name: (identifier) @name (class_body)? @body) @class
(class_declaration name: (identifier) @name (enum_class_body) @body) @enum
(object_declaration name: (identifier) @name (class_body)? @body) @class
(function_declaration name: (identifier) @name (function_body)? @body) @function
(property_declaration (variable_declaration (identifier) @name)) @field
(type_alias type: (identifier) @name) @type
