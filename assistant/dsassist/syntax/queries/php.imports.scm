(namespace_use_declaration) @tree
(require_once_expression [(string) (encapsed_string)] @relative)
(require_expression [(string) (encapsed_string)] @relative)
(include_once_expression [(string) (encapsed_string)] @relative)
(include_expression [(string) (encapsed_string)] @relative)
(require_once_expression (binary_expression right: [(string) (encapsed_string)] @relative))
(require_expression (binary_expression right: [(string) (encapsed_string)] @relative))
