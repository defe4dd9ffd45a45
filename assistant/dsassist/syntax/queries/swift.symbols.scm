(class_declaration name: (type_identifier) @name body: (_) @body) @class
(class_declaration name: (user_type) @name body: (_) @body) @scope
(protocol_declaration name: (type_identifier) @name body: (_) @body) @interface
(function_declaration name: (simple_identifier) @name body: (_)? @body) @function
(protocol_function_declaration name: (simple_identifier) @name) @method
(init_declaration name: "init" @name body: (_)? @body) @method
(property_declaration name: (pattern (simple_identifier) @name)) @field
(typealias_declaration name: (type_identifier) @name) @type
