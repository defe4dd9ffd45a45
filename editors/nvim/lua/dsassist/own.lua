--- Ghost text drawn by the plug-in, for Neovim 0.11 and for who wants it: asks at every key, and lets the server decide
--- what is worth the model's time.

local api = vim.api
local message = require('dsassist.message')
local offers = require('dsassist.offers')
local pieces = require('dsassist.pieces')

local M = {}

local METHOD = 'textDocument/inlineCompletion'
local INVOKED, AUTOMATIC = 1, 2
local namespace = api.nvim_create_namespace('dsassist.ghost')

---@type table<integer, { client: vim.lsp.Client, id: integer }> the request under way in a buffer
local asked = {}

---@type table<integer, string> by buffer, the text and the place that was asked about last
local asked_about = {}

---@param bufnr integer
local function cancel(bufnr)
  local request = asked[bufnr]
  asked[bufnr] = nil
  if request and not request.client:is_stopped() then
    request.client:cancel_request(request.id)
  end
end

---@param text string
---@return string
local function drawable(text)
  return (text:gsub('\t', (' '):rep(vim.bo.tabstop))) -- virtual text has no tab stops
end

---@param bufnr integer
---@param row integer
---@param column integer
---@param text string
---@param position 'inline'|'overlay'
local function put(bufnr, row, column, text, position)
  api.nvim_buf_set_extmark(bufnr, namespace, row, column, {
    virt_text = { { drawable(text), 'DsassistGhost' } },
    virt_text_pos = position,
    hl_mode = 'combine',
    right_gravity = position ~= 'inline',
  })
end

--- Nothing has to be prepared.
function M.attach() end

---@param bufnr integer
function M.detach(bufnr)
  asked[bufnr], asked_about[bufnr] = nil, nil
end

--- Draw what is left of the offer at the cursor.
---@param bufnr integer
function M.draw(bufnr)
  api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
  local offer = offers.in_buffer(bufnr)
  local left = offer and offers.left(offer)
  if not left then
    return
  end
  local lines = vim.split(left.text, '\n', { plain = true })
  local old = table.concat(
    api.nvim_buf_get_text(bufnr, left.row, left.column, left.end_row, left.end_column, {}),
    '\n'
  )
  local around = pieces.around(lines[1], old)
  for _, piece in ipairs(around or {}) do
    put(bufnr, left.row, left.column + piece.at, piece.text, 'inline')
  end
  if not around then
    put(bufnr, left.row, left.column, lines[1], 'overlay')
  end
  if #lines > 1 then
    local below = vim.tbl_map(function(line)
      return { { drawable(line), 'DsassistGhost' } }
    end, vim.list_slice(lines, 2))
    api.nvim_buf_set_extmark(bufnr, namespace, left.row, left.column, { virt_lines = below })
  end
end

---@param bufnr integer
function M.clear(bufnr)
  cancel(bufnr)
  asked_about[bufnr] = nil
  if api.nvim_buf_is_valid(bufnr) then
    api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
  end
end

---@param client vim.lsp.Client
---@param bufnr integer
---@param by_hand boolean
---@param done? fun()
local function request(client, bufnr, by_hand, done)
  cancel(bufnr)
  local here = offers.here()
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  ---@diagnostic disable-next-line: inject-field
  params.context = { triggerKind = by_hand and INVOKED or AUTOMATIC }
  local function take(err, result)
    local is_current = api.nvim_get_current_buf() == bufnr and api.nvim_get_mode().mode:sub(1, 1) == 'i'
    if err or not is_current or here ~= offers.here() then
      return -- where text or cursor are others by now, a newer request is under way
    end
    asked[bufnr] = nil
    offers.keep(client, bufnr, offers.items_of(result), by_hand)
    if done then
      done()
    end
    M.draw(bufnr)
  end
  local _, id = client:request(METHOD, params, function(err, result)
    message.behind(function()
      take(err, result)
    end)
  end, bufnr)
  asked[bufnr] = id and { client = client, id = id }
end

--- Something was typed, or the cursor has moved: ask anew.
---@param client vim.lsp.Client
---@param bufnr integer
function M.moved(client, bufnr)
  local here = offers.here()
  -- A typed key is told of twice: the text has changed, and the cursor has moved.
  if asked_about[bufnr] ~= here and vim.fn.reg_executing() == '' then
    asked_about[bufnr] = here
    request(client, bufnr, false)
  end
end

--- Ask by hand; `done` is called when the answer is there.
---@param client vim.lsp.Client
---@param bufnr integer
---@param done? fun()
function M.ask(client, bufnr, done)
  request(client, bufnr, true, done)
end

--- Another item was chosen.
---@param bufnr integer
---@param _count integer
function M.stepped(bufnr, _count)
  M.draw(bufnr)
end

return M
