(using_directive !name [(identifier) (qualified_name)] @module)
(using_directive name: (identifier) @module_alias [(qualified_name)] @module)
