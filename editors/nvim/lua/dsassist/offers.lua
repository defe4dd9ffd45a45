--- What the server offers in a buffer, and what is left of it there: the one owner of an offer's place.
---
--- Extmarks hold the place while the buffer changes. What was typed since counts: an offer lives as long as the text
--- from its start to the cursor is its own beginning. Drawing is somebody else's (`own`, `native`).

local api = vim.api

local M = {}

---@class dsassist.Item
---@field raw lsp.InlineCompletionItem as the server knows it
---@field text string with line breaks as buffers have them
---@field first integer extmark where it begins
---@field last integer extmark behind what it takes the place of
---@field before string what stands left of it in its line

---@class dsassist.Offer
---@field client vim.lsp.Client
---@field bufnr integer
---@field items dsassist.Item[]
---@field index integer
---@field by_hand boolean

local namespace = api.nvim_create_namespace('dsassist.offers')

---@type table<integer, dsassist.Offer>
local offers = {}

---@type table<integer, string> by buffer, the text and the place at which none is wanted
local unwanted_at = {}

---@type table<integer, any> what the client was last told of as shown, by its id
local told = {}

--- The items of an answer, whatever form it has; an empty list for none.
---@param result any
---@return lsp.InlineCompletionItem[]
function M.items_of(result)
  if type(result) ~= 'table' then
    return {}
  end
  return result.items or result
end

---@param bufnr integer
---@param position lsp.Position
---@param encoding string
---@return integer row, integer column in bytes
local function place_of(bufnr, position, encoding)
  local line = api.nvim_buf_get_lines(bufnr, position.line, position.line + 1, false)[1] or ''
  return position.line, vim.str_byteindex(line, encoding, position.character, false)
end

---@param client vim.lsp.Client
---@param bufnr integer
---@param raw lsp.InlineCompletionItem
---@return dsassist.Item
local function placed(client, bufnr, raw)
  local function mark(row, column, right_gravity)
    return api.nvim_buf_set_extmark(bufnr, namespace, row, column, { right_gravity = right_gravity })
  end
  local row, column = place_of(bufnr, raw.range.start, client.offset_encoding)
  local end_row, end_column = place_of(bufnr, raw.range['end'], client.offset_encoding)
  return {
    raw = raw,
    text = (raw.insertText:gsub('\r\n?', '\n')),
    first = mark(row, column, false),
    last = mark(end_row, end_column, true), -- moves with what is typed at the cursor
    before = api.nvim_buf_get_text(bufnr, row, 0, row, column, {})[1],
  }
end

--- Keep the items that answer a request about the buffer as it is now, in place of those before.
---@param client vim.lsp.Client
---@param bufnr integer
---@param items lsp.InlineCompletionItem[]
---@param by_hand boolean
function M.keep(client, bufnr, items, by_hand)
  M.forget(bufnr)
  local found = {}
  for _, raw in ipairs(items) do
    if type(raw.insertText) == 'string' and raw.range then
      found[#found + 1] = placed(client, bufnr, raw)
    end
  end
  if #found > 0 then
    offers[bufnr] = { client = client, bufnr = bufnr, items = found, index = 1, by_hand = by_hand }
    M.tell_shown(offers[bufnr])
  end
end

---@param bufnr integer
function M.forget(bufnr)
  offers[bufnr], unwanted_at[bufnr] = nil, nil
  if api.nvim_buf_is_valid(bufnr) then
    api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
  end
end

--- The text and the cursor of the current buffer, as a string to compare.
---@return string
function M.here()
  return ('%d %s'):format(api.nvim_buf_get_changedtick(0), table.concat(api.nvim_win_get_cursor(0), ' '))
end

--- The person wants no text here: an answer under way is not to bring it back.
---@param bufnr integer the current one
function M.dismissed(bufnr)
  unwanted_at[bufnr] = M.here()
end

--- The offer in a buffer, shown or not.
---@param bufnr integer
---@return dsassist.Offer?
function M.in_buffer(bufnr)
  return offers[bufnr]
end

--- Whether an answer that was not asked for by hand has to wait: one that was, and may have been chosen among several,
--- stays while what is typed agrees with it, and where a text was dismissed none comes until something changes.
---@param bufnr integer
---@return boolean
function M.holds(bufnr)
  if api.nvim_get_current_buf() == bufnr and unwanted_at[bufnr] == M.here() then
    return true
  end
  local offer = offers[bufnr]
  return offer ~= nil and offer.by_hand and M.left(offer) ~= nil
end

---@class dsassist.Left
---@field typed string what stands in the buffer of it
---@field text string what does not
---@field row integer the cursor's, from 0
---@field column integer the cursor's, in bytes
---@field end_row integer behind what the text takes the place of
---@field end_column integer

--- What is left of an offer at the cursor; nil when the buffer says something else than the offer.
---@param offer dsassist.Offer
---@return dsassist.Left?
function M.left(offer)
  if api.nvim_get_current_buf() ~= offer.bufnr then
    return nil
  end
  local item = offer.items[offer.index]
  local first = api.nvim_buf_get_extmark_by_id(offer.bufnr, namespace, item.first, {})
  local last = api.nvim_buf_get_extmark_by_id(offer.bufnr, namespace, item.last, {})
  local cursor = api.nvim_win_get_cursor(0)
  local row, column = cursor[1] - 1, cursor[2]
  if not (first[1] and last[1]) or row < first[1] or (row == first[1] and column < first[2]) then
    return nil
  end
  if api.nvim_buf_get_text(offer.bufnr, first[1], 0, first[1], first[2], {})[1] ~= item.before then
    return nil -- something left of it was deleted, and the extmark has moved
  end
  local typed = table.concat(api.nvim_buf_get_text(offer.bufnr, first[1], first[2], row, column, {}), '\n')
  if #typed >= #item.text or not vim.startswith(item.text, typed) then
    return nil
  end
  local is_behind = last[1] > row or (last[1] == row and last[2] > column)
  return {
    typed = typed,
    text = item.text:sub(#typed + 1),
    row = row,
    column = column,
    end_row = is_behind and last[1] or row,
    end_column = is_behind and last[2] or column,
  }
end

--- Put a part of what is left into the buffer, as an undo step of its own, and tell the server.
---@param offer dsassist.Offer
---@param cut fun(text: string): string
---@return boolean done
function M.insert(offer, cut)
  local left = M.left(offer)
  if not left then
    return false
  end
  local part = cut(left.text)
  local is_whole = part == left.text
  -- Setting it, to whatever value, closes the undo block: undoing takes the text away and leaves what was typed.
  vim.cmd('let &g:undolevels = &g:undolevels')
  local lines = vim.split(part, '\n', { plain = true })
  local end_row = is_whole and left.end_row or left.row
  local end_column = is_whole and left.end_column or left.column
  api.nvim_buf_set_text(offer.bufnr, left.row, left.column, end_row, end_column, lines)
  api.nvim_win_set_cursor(0, { left.row + #lines, (#lines == 1 and left.column or 0) + #lines[#lines] })
  if is_whole then
    M.forget(offer.bufnr)
    M.tell_accepted(offer)
  else
    M.tell_accepted_partly(offer, left.typed .. part)
  end
  return true
end

--- Choose another of the items, `count` further on.
---@param offer dsassist.Offer
---@param count integer
function M.step(offer, count)
  offer.index = (offer.index - 1 + count) % #offer.items + 1
  M.tell_shown(offer)
end

--- Tell the server what is on the screen; not again at each key that is typed along.
---@param offer dsassist.Offer
function M.tell_shown(offer)
  local raw = offer.items[offer.index].raw
  local id = raw.command and raw.command.arguments and raw.command.arguments[1]
  if id == nil or told[offer.client.id] == id then
    return
  end
  told[offer.client.id] = id
  offer.client:notify('textDocument/didShowCompletion', { item = raw })
end

---@param offer dsassist.Offer
---@param accepted string
function M.tell_accepted_partly(offer, accepted)
  offer.client:notify('textDocument/didPartiallyAcceptCompletion', {
    item = offer.items[offer.index].raw,
    acceptedLength = vim.str_utfindex(accepted, 'utf-16'),
  })
end

---@param offer dsassist.Offer
function M.tell_accepted(offer)
  local command = offer.items[offer.index].raw.command
  if command then
    offer.client:exec_cmd(command, { bufnr = offer.bufnr }, function() end)
  end
end

return M
