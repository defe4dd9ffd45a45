--- Ghost text drawn by Neovim 0.12 itself (`vim.lsp.inline_completion`). The module listens to what passes between it and
--- the server, because the editor tells nobody what it shows, and takes an offer back when the text no longer agrees.

local api = vim.api
local message = require('dsassist.message')
local offers = require('dsassist.offers')

local M = {}

local namespace = api.nvim_create_namespace('nvim.lsp.inline_completion')
local METHOD = 'textDocument/inlineCompletion'
local INVOKED = 1

---@type table<integer, lsp.Handler> by buffer, what the editor does with an answer
local handlers = {}

---@class dsassist.Awaited
---@field tick? integer the text's, nil while the editor has not asked about it
---@field newest integer how many requests were made for it
---@field done? fun()

---@type table<integer, dsassist.Awaited> by buffer, what was asked by hand and is not answered yet
local awaited = {}

---@param items lsp.InlineCompletionItem[]
---@return lsp.InlineCompletionItem[]
local function with_buffer_line_breaks(items)
  return vim.tbl_map(function(item)
    if type(item.insertText) ~= 'string' then
      return item
    end
    return vim.tbl_extend('force', item, { insertText = (item.insertText:gsub('\r\n?', '\n')) })
  end, items)
end

--- Hand an answer on to the editor, and keep it, if it is about the text as it still is.
---@param client vim.lsp.Client
---@param bufnr integer
---@param by_hand? dsassist.Awaited
---@param handler lsp.Handler
---@return lsp.Handler
local function watching(client, bufnr, by_hand, handler)
  local tick, number = api.nvim_buf_get_changedtick(bufnr), by_hand and by_hand.newest
  local function take(err, result, ctx, config)
    if not api.nvim_buf_is_valid(bufnr) or tick ~= api.nvim_buf_get_changedtick(bufnr) then
      return -- the editor would draw it all the same, at the place where it was
    end
    if by_hand and (awaited[bufnr] ~= by_hand or by_hand.newest ~= number) then
      return -- given up, or overtaken by a newer request, which the server answers
    end
    if not by_hand and offers.holds(bufnr) then
      return
    end
    local items = offers.items_of(result)
    -- Of null 0.12.4 takes no notice, and what it showed before would stay.
    handler(err, with_buffer_line_breaks(items), ctx, config)
    if api.nvim_get_mode().mode:sub(1, 1) == 'i' then
      offers.keep(client, bufnr, items, by_hand ~= nil)
    end
    if by_hand then
      awaited[bufnr] = nil
      if by_hand.done then
        by_hand.done()
      end
    end
  end
  return function(err, result, ctx, config)
    message.behind(function()
      take(err, result, ctx, config)
    end)
  end
end

--- What is asked by hand about the text as it is. What the editor then asks by itself would take its place in the server,
--- which answers the newest request only, so that is one by hand too.
---@param bufnr integer
---@return dsassist.Awaited?
local function awaited_about(bufnr)
  local by_hand, tick = awaited[bufnr], api.nvim_buf_get_changedtick(bufnr)
  if by_hand and by_hand.tick and by_hand.tick ~= tick then
    awaited[bufnr], by_hand = nil, nil
  elseif by_hand then
    by_hand.tick, by_hand.newest = tick, by_hand.newest + 1
  end
  return by_hand
end

--- Listen to what the editor asks this client.
---@param client vim.lsp.Client
local function listen(client)
  if rawget(client, '_dsassist_listens') then
    return
  end
  rawset(client, '_dsassist_listens', true)
  local request = client.request
  ---@diagnostic disable-next-line: duplicate-set-field
  function client:request(method, params, handler, bufnr)
    if method ~= METHOD or not handler then
      return request(self, method, params, handler, bufnr)
    end
    bufnr = vim._resolve_bufnr and vim._resolve_bufnr(bufnr) or bufnr
    handlers[bufnr] = handler
    local by_hand = awaited_about(bufnr)
    if by_hand then
      params.context = { triggerKind = INVOKED }
    end
    return request(self, method, params, watching(self, bufnr, by_hand, handler), bufnr)
  end
end

--- Let Neovim ask this client in a buffer, and listen.
---@param client vim.lsp.Client
---@param bufnr integer
function M.attach(client, bufnr)
  listen(client)
  vim.lsp.inline_completion.enable(true, { client_id = client.id, bufnr = bufnr })
  -- Without the buffer's own mark Neovim would not forget a client that has died, and ask it on.
  vim.lsp.inline_completion.enable(true, { bufnr = bufnr })
end

---@param bufnr integer
function M.detach(bufnr)
  handlers[bufnr], awaited[bufnr] = nil, nil
end

--- The editor draws by itself what it was handed.
function M.draw() end

--- Take what is shown off the screen, by an answer that holds nothing.
---@param bufnr integer
---@param client? vim.lsp.Client
function M.clear(bufnr, client)
  awaited[bufnr] = nil
  local handler = handlers[bufnr]
  if handler and client and not client:is_stopped() then
    -- It has forgotten the client when that is about to leave the buffer.
    pcall(handler, nil, {}, { client_id = client.id, bufnr = bufnr, method = METHOD })
  end
  if api.nvim_buf_is_valid(bufnr) then -- it does not listen outside of insert mode
    api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
  end
end

--- The editor asks by itself.
function M.moved() end

--- Ask by hand; `done` is called when the answer is there.
---@param client vim.lsp.Client
---@param bufnr integer
---@param done? fun()
function M.ask(client, bufnr, done)
  awaited[bufnr] = { newest = 0, done = done }
  local handler = handlers[bufnr]
  if handler then -- else the request that the editor is about to make is the one
    local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
    client:request(METHOD, params, handler, bufnr)
  end
end

--- Another item was chosen.
---@param bufnr integer
---@param count integer
function M.stepped(bufnr, count)
  vim.lsp.inline_completion.select({ bufnr = bufnr, count = count })
end

return M
