"""How the syntax tree of each reviewed language names what a reviewer looks for: data, and no decision.

Types and fields are those of the tree-sitter grammars. Python's scopes are the most exact; the tables of the others are
simpler, and what they leave out is not reviewed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

__all__ = ["GRAMMARS", "Alternatives", "Grammar", "words_of"]

Alternatives = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Grammar:
    """Node types, fields and words of a language. A mapping `{type: field}` names the field that is meant."""

    functions: frozenset[str]
    types: Mapping[str, str]
    """What functions may be members of, with the field of its name (empty: it has none)."""
    wrappers: frozenset[str]
    """What stands around a definition: decorators, `export`, `template`."""
    blocks: frozenset[str]
    """What holds statements."""
    members: Mapping[str, tuple[str, str]]
    """Access to a member, with the fields of the object and of the member's name."""
    calls: Mapping[str, str]
    """With the field of what is called."""
    arguments: frozenset[str]
    binary: frozenset[str]
    augmented: frozenset[str]
    assignments: Mapping[str, str]
    """What has a target, with its field."""
    not_judged: frozenset[str]
    """Left out with all below: types, parameters, patterns, macros."""
    not_expressions: frozenset[str]
    """Where a name is no expression, beside `not_judged`."""
    conjunction: str
    disjunction: str
    negation: str
    comparisons: Alternatives
    arithmetic: Alternatives
    bitwise: Alternatives
    integers: frozenset[str]
    texts: frozenset[str]
    """Literals of strings and collections: what `+`, `*` and `%` join, repeat and fill in."""
    constants: frozenset[str]
    """Other literals."""
    subscripts: frozenset[str]
    scopes: frozenset[str] = frozenset()
    declarations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What binds a name, with the fields of its targets; for languages other than Python."""
    pairs: Mapping[str, str] = field(default_factory=dict)
    """Functions that are taken for one another, with their family."""
    awaits: Literal["prefix", "suffix", ""] = ""
    receiver: str = ""
    """By which a method's own members are named: `self`, `this`."""
    target_lists: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    """Whose identifiers are labels, keys or macros and no names of values."""
    throws: Mapping[str, str] = field(default_factory=dict)
    """Where the type of an exception stands."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Parameters with a default value, and its field."""

    @property
    def literals(self) -> frozenset[str]:
        """All types of literals."""
        return self.integers | self.texts | self.constants


_ORDERS: dict[str, tuple[str, ...]] = {
    "<": ("<=", ">", ">="),
    "<=": ("<", ">=", ">"),
    ">": (">=", "<", "<="),
    ">=": (">", "<=", "<"),
    "==": ("!=",),
    "!=": ("==",),
}
_STRICT: dict[str, tuple[str, ...]] = {"===": ("!==",), "!==": ("===",)}
_ARITHMETIC: dict[str, tuple[str, ...]] = {
    "+": ("-", "*"),
    "-": ("+",),
    "*": ("/", "+"),
    "/": ("*",),
    "%": ("/",),
}
_BITS: dict[str, tuple[str, ...]] = {
    "&": ("|", "&&"),
    "|": ("&", "||"),
    "^": ("|", "&"),
    "<<": (">>",),
    ">>": ("<<",),
}
_MIN_MAX = {"min": "max", "max": "min"}
_ANY_ALL = {"any": "all", "all": "any"}


def words_of(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


_PYTHON = Grammar(
    functions=words_of("function_definition"),
    types={"class_definition": "name"},
    wrappers=words_of("decorated_definition"),
    blocks=words_of("module block"),
    members={"attribute": ("object", "attribute")},
    calls={"call": "function"},
    arguments=words_of("argument_list"),
    binary=words_of("comparison_operator boolean_operator binary_operator"),
    augmented=words_of("augmented_assignment"),
    assignments={
        "assignment": "left",
        "augmented_assignment": "left",
        "for_statement": "left",
        "for_in_clause": "left",
        "named_expression": "name",
    },
    not_judged=words_of("decorator type parameters lambda_parameters case_pattern"),
    not_expressions=words_of(
        "import_statement import_from_statement future_import_statement global_statement nonlocal_statement"
        " delete_statement type_alias_statement"
    ),
    conjunction="and",
    disjunction="or",
    negation="not_operator",
    comparisons=_ORDERS,
    arithmetic={
        "+": ("-", "*"),
        "-": ("+",),
        "*": ("/", "//", "+", "**"),
        "/": ("//", "*"),
        "//": ("/", "%"),
        "%": ("//",),
        "**": ("*",),
    },
    bitwise={"&": ("|",), "|": ("&",), "^": ("|", "&"), "<<": (">>",), ">>": ("<<",)},
    integers=words_of("integer"),
    texts=words_of(
        "string concatenated_string list tuple dictionary set list_comprehension dictionary_comprehension"
        " set_comprehension"
    ),
    constants=words_of("float true false none"),
    subscripts=words_of("subscript"),
    pairs=_ANY_ALL | _MIN_MAX,
    awaits="prefix",
    receiver="self",
    target_lists=words_of("pattern_list tuple_pattern list_pattern list_splat_pattern"),
    throws={"raise_statement": "", "except_clause": "value"},
    defaults={"default_parameter": "value", "typed_default_parameter": "value"},
)

_JAVASCRIPT = Grammar(
    functions=words_of(
        "function_declaration generator_function_declaration function_expression generator_function arrow_function"
        " method_definition"
    ),
    types={"class_declaration": "name", "class": "name"},
    wrappers=words_of("export_statement"),
    blocks=words_of("program statement_block class_body switch_case switch_default"),
    members={"member_expression": ("object", "property")},
    calls={"call_expression": "function", "new_expression": "constructor"},
    arguments=words_of("arguments"),
    binary=words_of("binary_expression"),
    augmented=words_of("augmented_assignment_expression"),
    assignments={
        "assignment_expression": "left",
        "augmented_assignment_expression": "left",
        "for_in_statement": "left",
        "variable_declarator": "name",
    },
    not_judged=words_of(
        "formal_parameters type_annotation type_arguments type_parameters type_predicate_annotation decorator"
        " object_pattern array_pattern as_type satisfies_type asserts_annotation interface_declaration"
        " type_alias_declaration"
    ),
    not_expressions=words_of("import_statement export_clause"),
    conjunction="&&",
    disjunction="||",
    negation="unary_expression",
    comparisons=_ORDERS | _STRICT,
    arithmetic=_ARITHMETIC | {"**": ("*",)},
    bitwise=_BITS | {">>>": (">>",)},
    integers=words_of("number"),
    texts=words_of("string template_string array object regex"),
    constants=words_of("true false null undefined"),
    subscripts=words_of("subscript_expression"),
    scopes=words_of(
        "statement_block for_statement for_in_statement catch_clause function_declaration arrow_function"
        " function_expression generator_function generator_function_declaration method_definition class_body"
        " switch_body program"
    ),
    declarations={
        "variable_declarator": ("name",),
        "for_in_statement": ("left",),
        "catch_clause": ("parameter",),
        "function_declaration": ("name",),
        "class_declaration": ("name",),
        "formal_parameters": (),
        "arrow_function": ("parameter",),
    },
    pairs=_MIN_MAX | {"some": "every", "every": "some"},
    awaits="prefix",
    receiver="this",
    target_lists=words_of("array_pattern object_pattern"),
    labels=words_of("labeled_statement break_statement continue_statement shorthand_property_identifier"),
    throws={"throw_statement": ""},
    defaults={"assignment_pattern": "right", "required_parameter": "value", "optional_parameter": "value"},
)

_GO = Grammar(
    functions=words_of("function_declaration method_declaration func_literal"),
    types={},
    wrappers=frozenset(),
    blocks=words_of("source_file block statement_list"),
    members={"selector_expression": ("operand", "field")},
    calls={"call_expression": "function"},
    arguments=words_of("argument_list"),
    binary=words_of("binary_expression"),
    augmented=words_of("assignment_statement"),
    assignments={"assignment_statement": "left", "short_var_declaration": "left", "range_clause": "left"},
    not_judged=words_of(
        "parameter_list type_arguments type_parameter_list array_type slice_type map_type channel_type function_type"
        " struct_type interface_type pointer_type generic_type qualified_type type_declaration type_case"
    ),
    not_expressions=words_of("import_declaration package_clause"),
    conjunction="&&",
    disjunction="||",
    negation="unary_expression",
    comparisons=_ORDERS,
    arithmetic=_ARITHMETIC,
    bitwise={"&": ("|",), "|": ("&",), "^": ("|", "&"), "<<": (">>",), ">>": ("<<",), "&^": ("&",)},
    integers=words_of("int_literal"),
    texts=words_of("interpreted_string_literal raw_string_literal composite_literal"),
    constants=words_of("float_literal imaginary_literal rune_literal true false nil iota"),
    subscripts=words_of("index_expression"),
    scopes=words_of(
        "block if_statement for_statement function_declaration method_declaration func_literal expression_case"
        " default_case communication_case type_switch_statement expression_switch_statement source_file"
    ),
    declarations={
        "short_var_declaration": ("left",),
        "var_spec": ("name",),
        "const_spec": ("name",),
        "range_clause": ("left",),
        "parameter_declaration": ("name",),
        "variadic_parameter_declaration": ("name",),
        "type_switch_statement": ("alias",),
        "receive_statement": ("left",),
    },
    pairs=_MIN_MAX | {"Min": "Max", "Max": "Min"},
    target_lists=words_of("expression_list"),
    labels=words_of("labeled_statement break_statement continue_statement goto_statement keyed_element"),
)

_RUST = Grammar(
    functions=words_of("function_item"),
    types={"impl_item": "type", "trait_item": "name", "mod_item": "name"},
    wrappers=frozenset(),
    blocks=words_of("source_file block declaration_list match_block"),
    members={"field_expression": ("value", "field")},
    calls={"call_expression": "function"},
    arguments=words_of("arguments"),
    binary=words_of("binary_expression let_chain"),
    augmented=words_of("compound_assignment_expr"),
    assignments={
        "assignment_expression": "left",
        "compound_assignment_expr": "left",
        "let_declaration": "pattern",
        "for_expression": "pattern",
        "let_condition": "pattern",
    },
    not_judged=words_of(
        "parameters closure_parameters type_arguments type_parameters token_tree attribute_item inner_attribute_item"
        " match_pattern scoped_identifier scoped_type_identifier macro_definition where_clause lifetime"
        " reference_type generic_type tuple_type array_type dynamic_type tuple_struct_pattern tuple_pattern"
        " struct_pattern or_pattern ref_pattern captured_pattern slice_pattern reference_pattern"
    ),
    not_expressions=words_of("use_declaration const_item static_item struct_item enum_item type_item"),
    conjunction="&&",
    disjunction="||",
    negation="unary_expression",
    comparisons=_ORDERS,
    arithmetic=_ARITHMETIC,
    bitwise={"&": ("|",), "|": ("&",), "^": ("|", "&"), "<<": (">>",), ">>": ("<<",)},
    integers=words_of("integer_literal"),
    texts=words_of("string_literal raw_string_literal array_expression tuple_expression"),
    constants=words_of("float_literal boolean_literal char_literal"),
    subscripts=words_of("index_expression"),
    scopes=words_of(
        "block for_expression match_arm closure_expression function_item if_expression while_expression source_file"
    ),
    declarations={
        "let_declaration": ("pattern",),
        "for_expression": ("pattern",),
        "let_condition": ("pattern",),
        "match_arm": ("pattern",),
        "parameter": ("pattern",),
        "closure_parameters": (),
    },
    pairs=_ANY_ALL | _MIN_MAX,
    awaits="suffix",
    receiver="self",
    labels=words_of("macro_invocation shorthand_field_initializer label"),
)

_JAVA = Grammar(
    functions=words_of("method_declaration constructor_declaration compact_constructor_declaration"),
    types={
        "class_declaration": "name",
        "interface_declaration": "name",
        "enum_declaration": "name",
        "record_declaration": "name",
    },
    wrappers=frozenset(),
    blocks=words_of("program block constructor_body class_body interface_body enum_body_declarations switch_block"),
    members={"field_access": ("object", "field"), "method_invocation": ("object", "name")},
    calls={"method_invocation": "name"},
    arguments=words_of("argument_list"),
    binary=words_of("binary_expression"),
    augmented=words_of("assignment_expression"),
    assignments={"assignment_expression": "left", "variable_declarator": "name", "enhanced_for_statement": "name"},
    not_judged=words_of(
        "formal_parameters inferred_parameters annotation marker_annotation type_arguments generic_type array_type"
        " catch_formal_parameter type_pattern record_pattern pattern switch_label dimensions scoped_type_identifier"
        " superclass throws"
    ),
    not_expressions=words_of("import_declaration package_declaration method_reference"),
    conjunction="&&",
    disjunction="||",
    negation="unary_expression",
    comparisons=_ORDERS,
    arithmetic=_ARITHMETIC,
    bitwise=_BITS | {">>>": (">>",)},
    integers=words_of("decimal_integer_literal"),
    texts=words_of("string_literal array_initializer"),
    constants=words_of(
        "decimal_floating_point_literal hex_integer_literal octal_integer_literal binary_integer_literal true false"
        " character_literal null_literal"
    ),
    subscripts=words_of("array_access"),
    scopes=words_of(
        "block constructor_body for_statement enhanced_for_statement catch_clause lambda_expression"
        " method_declaration constructor_declaration try_with_resources_statement switch_block_statement_group"
        " switch_rule if_statement class_body program"
    ),
    declarations={
        "variable_declarator": ("name",),
        "enhanced_for_statement": ("name",),
        "catch_formal_parameter": ("name",),
        "formal_parameter": ("name",),
        "resource": ("name",),
        "instanceof_expression": ("name",),
        "type_pattern": (),
        "record_pattern_component": (),
        "inferred_parameters": (),
        "lambda_expression": ("parameters",),
    },
    pairs=_MIN_MAX | {"anyMatch": "allMatch", "allMatch": "anyMatch"},
    receiver="this",
    labels=words_of("labeled_statement break_statement continue_statement element_value_pair class_literal"),
    throws={"throw_statement": "", "catch_type": ""},
)

_C = Grammar(
    functions=words_of("function_definition"),
    types={},
    wrappers=frozenset(),
    blocks=words_of("translation_unit compound_statement case_statement declaration_list field_declaration_list"),
    members={"field_expression": ("argument", "field")},
    calls={"call_expression": "function"},
    arguments=words_of("argument_list"),
    binary=words_of("binary_expression"),
    augmented=words_of("assignment_expression"),
    assignments={"assignment_expression": "left", "init_declarator": "declarator", "for_range_loop": "declarator"},
    not_judged=words_of(
        "parameter_list type_descriptor struct_specifier enum_specifier union_specifier attribute_specifier"
        " attribute_declaration template_argument_list template_parameter_list qualified_identifier"
        " lambda_capture_specifier structured_binding_declarator function_declarator array_declarator sizeof_expression"
        " preproc_def preproc_function_def preproc_include preproc_call preproc_if preproc_ifdef preproc_arg"
        " initializer_pair offsetof_expression gnu_asm_expression decltype"
    ),
    not_expressions=words_of("using_declaration alias_declaration type_definition"),
    conjunction="&&",
    disjunction="||",
    negation="unary_expression",
    comparisons=_ORDERS,
    arithmetic=_ARITHMETIC,
    bitwise=_BITS,
    integers=words_of("number_literal"),
    texts=words_of(
        "string_literal concatenated_string initializer_list compound_literal_expression raw_string_literal"
    ),
    constants=words_of("true false null nullptr char_literal"),
    subscripts=words_of("subscript_expression"),
    scopes=words_of(
        "compound_statement for_statement for_range_loop catch_clause lambda_expression function_definition"
        " if_statement while_statement case_statement translation_unit"
    ),
    declarations={
        "declaration": ("declarator",),
        "init_declarator": ("declarator",),
        "parameter_declaration": ("declarator",),
        "optional_parameter_declaration": ("declarator",),
        "for_range_loop": ("declarator",),
    },
    labels=words_of("labeled_statement goto_statement field_designator"),
    defaults={"optional_parameter_declaration": "default_value"},
)

_CPP = replace(
    _C,
    types={"class_specifier": "name", "struct_specifier": "name", "namespace_definition": "name"},
    wrappers=words_of("template_declaration"),
    # `<<` and `>>` are streams as often as shifts.
    bitwise={"&": ("|", "&&"), "|": ("&", "||"), "^": ("|", "&")},
    pairs=_MIN_MAX,
    receiver="this",
    throws={"throw_statement": ""},
)

GRAMMARS: Mapping[str, Grammar] = {
    "python": _PYTHON,
    "javascript": _JAVASCRIPT,
    "typescript": _JAVASCRIPT,
    "tsx": _JAVASCRIPT,
    "go": _GO,
    "rust": _RUST,
    "java": _JAVA,
    "c": _C,
    "cpp": _CPP,
}
"""By `syntax.languages`' names."""
