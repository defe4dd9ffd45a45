(struct_item name: (type_identifier) @name body: (field_declaration_list) @body) @class
(struct_item name: (type_identifier) @name body: (ordered_field_declaration_list)) @class
(struct_item name: (type_identifier) @name !body) @class
(enum_item name: (type_identifier) @name) @enum
(union_item name: (type_identifier) @name body: (_) @body) @class
(trait_item name: (type_identifier) @name body: (_) @body) @interface
(type_item name: (type_identifier) @name) @type
(mod_item name: (identifier) @name body: (_) @body) @module
(impl_item type: (type_identifier) @name body: (_) @body) @scope
(impl_item type: (generic_type type: (type_identifier) @name) body: (_) @body) @scope
(function_item name: (identifier) @name body: (_) @body) @function
(function_signature_item name: (identifier) @name) @function
(field_declaration_list (field_declaration name: (field_identifier) @name) @field)
(const_item name: (identifier) @name) @constant
(static_item name: (identifier) @name) @constant
(macro_definition name: (identifier) @name) @macro
