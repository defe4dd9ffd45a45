--- Parts of a text: what one key takes of it, and where on a line it is drawn. Knows no buffer.

local M = {}

--- The first word of a text, with what stands before it and one space behind it.
---
--- "return a + b" -> "return ", then "a ", "+ ", "b". A new line with its indentation is a word of its own start:
--- "\n    total = a" -> "\n    total ".
---@param text string
---@return string
function M.word(text)
  -- A byte of a character beyond ASCII counts as a letter, so that none is cut in two.
  local space, rest = text:match('^(%s*)(.*)$')
  local core = rest:match('^[%w_\128-\255]+') or rest:match('^[^%w_%s\128-\255]+') or ''
  local behind = rest:sub(#core + 1):match('^ ') or ''
  return space .. core .. behind
end

--- What is left of the text's first line; where nothing is left of it, the line break and the whole next line.
---@param text string
---@return string
function M.line(text)
  return text:match('^[^\n]+') or text:match('^\n+[^\n]*') or text
end

--- All of it.
---@param text string
---@return string
function M.whole(text)
  return text
end

--- Where the parts of a line's new text stand between what it keeps of the old one.
---
--- A text may repeat what is right of the cursor and takes the place of: `x) {` over the `)` that the editor closed is
--- drawn as `x` before it and ` {` behind it. `at` counts bytes from the cursor. Nil where the old text is not kept,
--- so that the new one has to cover it.
---@param text string
---@param old string
---@return { at: integer, text: string }[]?
function M.around(text, old)
  local pieces, begun, from = {}, 1, 1
  for i = 1, #old do
    local found = text:find(old:sub(i, i), from, true)
    if not found then
      return nil
    end
    if found > begun then
      pieces[#pieces + 1] = { at = i - 1, text = text:sub(begun, found - 1) }
    end
    begun, from = found + 1, found + 1
  end
  if begun <= #text then
    pieces[#pieces + 1] = { at = #old, text = text:sub(begun) }
  end
  return pieces
end

return M
