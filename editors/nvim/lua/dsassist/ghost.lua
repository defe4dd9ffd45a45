--- Ghost text in the buffers that dsassist serves: when it comes and goes, and what the keys do with it.

local api = vim.api
local offers = require('dsassist.offers')
local pieces = require('dsassist.pieces')

local M = {}

local GREY = 8 -- of a terminal's sixteen colours

local group = api.nvim_create_augroup('dsassist', {})

--- Who draws.
---@return table
local function display()
  local wanted = require('dsassist.options').current.ghost
  local has_native = vim.lsp.inline_completion ~= nil
  return (wanted ~= 'own' and has_native) and require('dsassist.native') or require('dsassist.own')
end

--- "native" or "own".
---@return string
function M.kind()
  return display() == package.loaded['dsassist.native'] and 'native' or 'own'
end

---@param bufnr integer
---@return vim.lsp.Client?
local function client_of(bufnr)
  return vim.lsp.get_clients({ bufnr = bufnr, name = 'dsassist' })[1]
end

---@param bufnr integer
local function take_off(bufnr)
  offers.forget(bufnr)
  display().clear(bufnr, client_of(bufnr))
end

---@param bufnr integer
local function moved(bufnr)
  local client, offer = client_of(bufnr), offers.in_buffer(bufnr)
  if not client then
    return
  end
  if offer and offers.left(offer) then
    display().draw(bufnr)
  elseif offer then
    take_off(bufnr)
  end
  if not offers.holds(bufnr) then
    display().moved(client, bufnr)
  end
end

---@param bufnr integer
local function watch(bufnr)
  api.nvim_clear_autocmds({ group = group, buffer = bufnr })
  api.nvim_create_autocmd({ 'InsertEnter', 'TextChangedI', 'CursorMovedI', 'TextChangedP' }, {
    group = group,
    buffer = bufnr,
    callback = function()
      moved(bufnr)
    end,
  })
  api.nvim_create_autocmd('BufLeave', {
    group = group,
    buffer = bufnr,
    callback = function()
      take_off(bufnr)
    end,
  })
end

--- Neovim's own colours have none for hints on a terminal without 24-bit colour, where ghost text would look like code.
local function color()
  local has_hints = vim.fn.hlexists('ComplHint') == 1
  local hint = api.nvim_get_hl(0, { name = has_hints and 'ComplHint' or 'NonText', link = false })
  if has_hints and not hint.ctermfg then
    api.nvim_set_hl(0, 'ComplHint', vim.tbl_extend('keep', { ctermfg = GREY }, hint))
  end
  api.nvim_set_hl(0, 'DsassistGhost', vim.tbl_extend('keep', { default = true }, hint, { ctermfg = GREY }))
end

--- From now on, serve each buffer that our server is attached to.
function M.follow_clients()
  local clients = api.nvim_create_augroup('dsassist.clients', {})
  color()
  api.nvim_create_autocmd('ColorScheme', { group = clients, callback = color })
  api.nvim_create_autocmd('LspAttach', {
    group = clients,
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if client and client.name == 'dsassist' then
        display().attach(client, event.buf)
        watch(event.buf)
        if api.nvim_get_current_buf() == event.buf and api.nvim_get_mode().mode:sub(1, 1) == 'i' then
          moved(event.buf) -- typing had begun before the server was there
        end
      end
    end,
  })
  api.nvim_create_autocmd('ModeChanged', {
    group = clients,
    pattern = 'i*:[^i]*', -- Ctrl-C leaves insert mode without an InsertLeave
    callback = function(event)
      if client_of(event.buf) then
        take_off(event.buf)
      end
    end,
  })
  api.nvim_create_autocmd('LspDetach', {
    group = clients,
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if not client or client.name == 'dsassist' then -- one that has died is not found any more
        api.nvim_clear_autocmds({ group = group, buffer = event.buf })
        take_off(event.buf)
        display().detach(event.buf)
      end
    end,
  })
end

--- Ask by hand. The editor tells of what was typed in one go with the key only behind it; what that leads to comes first, as
--- it would take the request back.
---@param client vim.lsp.Client
---@param bufnr integer
---@param done? fun()
local function ask(client, bufnr, done)
  moved(bufnr)
  display().ask(client, bufnr, done)
end

---@return dsassist.Offer?
local function shown()
  local offer = offers.in_buffer(api.nvim_get_current_buf())
  return offer and offers.left(offer) and offer
end

--- Take a part of what is shown; false when nothing is, or when an entry of the menu is chosen and the key is meant for it.
---@param part 'whole'|'word'|'line'
---@return boolean
function M.accept(part)
  local offer = shown()
  if not offer or (vim.fn.pumvisible() == 1 and vim.fn.complete_info({ 'selected' }).selected >= 0) then
    return false
  end
  if vim.fn.pumvisible() == 1 then
    vim.fn.complete(vim.fn.col('.'), {}) -- else the menu for what stood there would stay
  end
  offers.insert(offer, pieces[part])
  if offers.in_buffer(offer.bufnr) then
    display().draw(offer.bufnr)
  else
    display().clear(offer.bufnr, offer.client)
  end
  return true
end

---@return boolean
function M.dismiss()
  local offer = shown()
  if offer then
    take_off(offer.bufnr)
    offers.dismissed(offer.bufnr)
  end
  return offer ~= nil
end

--- Show another text, `count` further on. Unless it was asked by hand, the server is asked for more first.
---@param count integer
---@return boolean
function M.step(count)
  local offer = shown()
  if not offer then
    return false
  end
  if offer.by_hand then
    offers.step(offer, count)
    display().stepped(offer.bufnr, count)
  else
    ask(offer.client, offer.bufnr, function()
      local found = shown()
      if found and #found.items > 1 then
        offers.step(found, count)
        display().stepped(found.bufnr, count)
      end
    end)
  end
  return true
end

--- Ask for a text at the cursor by hand.
---@return boolean
function M.ask()
  local bufnr = api.nvim_get_current_buf()
  local client = client_of(bufnr)
  if client then
    ask(client, bufnr)
  end
  return client ~= nil
end

--- Take what is shown off the screen, wherever it is.
function M.clear_all()
  for _, client in ipairs(vim.lsp.get_clients({ name = 'dsassist' })) do
    for bufnr in pairs(client.attached_buffers) do
      take_off(bufnr)
    end
  end
end

return M
