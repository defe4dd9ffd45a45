(call method: (identifier) @_require arguments: (argument_list . (string) @module)
  (#match? @_require "^(require|load)$"))
(call method: (identifier) @_relative arguments: (argument_list . (string) @relative)
  (#eq? @_relative "require_relative"))
