(class_definition name: (identifier) @name body: (_)? @body) @class
(object_definition name: (identifier) @name body: (_)? @body) @class
(trait_definition name: (identifier) @name body: (_)? @body) @interface
(enum_definition name: (identifier) @name body: (_) @body) @enum
(function_definition name: (identifier) @name body: (_) @body) @function
(function_declaration name: (identifier) @name) @function
(type_definition name: (type_identifier) @name) @type
(val_definition pattern: (identifier) @name) @field
