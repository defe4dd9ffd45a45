(class name: [(constant) (scope_resolution)] @name @head superclass: (_)? @head) @class
(module name: [(constant) (scope_resolution)] @name @head) @module
(method name: (_) @name @head parameters: (_)? @head) @method
(singleton_method name: (_) @name @head parameters: (_)? @head) @method
(assignment left: (constant) @name) @constant
