--- The server as Neovim starts it: its configuration, and what happens when it dies.

local api = vim.api

local M = {}

local MOST_RESTARTS, WITHIN_S = 3, 180

---@type number[] when it was started anew, in seconds
local restarts = {}

---@type table<integer, true> by client, that the plug-in itself ends it
local stopping = {}

local leaving = false

---@param config vim.lsp.ClientConfig
---@param buffers integer[]
local function start(config, buffers)
  for _, bufnr in ipairs(buffers) do
    if api.nvim_buf_is_loaded(bufnr) then
      vim.lsp.start(config, { bufnr = bufnr })
    end
  end
end

---@param config vim.lsp.ClientConfig
---@param buffers integer[]
---@param how string
local function crashed(config, buffers, how)
  local now = vim.uv.now() / 1000
  restarts = vim.tbl_filter(function(at)
    return now - at < WITHIN_S
  end, restarts)
  if #restarts >= MOST_RESTARTS then
    local text = ('the server ended %d times (%s); see :Dsassist log, then :Dsassist restart'):format(#restarts + 1, how)
    require('dsassist.status').ended(text)
    require('dsassist.message').error(text)
    return
  end
  restarts[#restarts + 1] = now
  require('dsassist.status').ended('the server ended and is started again')
  vim.defer_fn(function()
    start(config, buffers)
  end, 250 * 2 ^ (#restarts - 1))
end

---@param code integer
---@param signal integer
---@param id integer
local function ended(code, signal, id)
  local client, is_meant = vim.lsp.get_client_by_id(id), stopping[id]
  stopping[id] = nil
  local buffers = client and vim.tbl_keys(client.attached_buffers) or {} -- it is about to lose them
  vim.schedule(function()
    -- 15 is how Neovim itself ends a server that does not go.
    if leaving or is_meant or not client or (code == 0 and signal == 0) or signal == 15 or code == 143 then
      require('dsassist.status').ended()
      return
    end
    crashed(client.config, buffers, signal ~= 0 and ('signal %d'):format(signal) or ('exit code %d'):format(code))
  end)
end

--- For `lsp/dsassist.lua`: what `vim.lsp.enable('dsassist')` starts.
---@return vim.lsp.Config
function M.config()
  api.nvim_create_autocmd('VimLeavePre', {
    group = api.nvim_create_augroup('dsassist.server', {}),
    callback = function()
      leaving = true
    end,
  })
  local options = require('dsassist.options').current
  local capabilities = vim.lsp.protocol.make_client_capabilities()
  -- 0.11 does not know it, and the server shows ghost text only to who does.
  capabilities.textDocument.inlineCompletion = { dynamicRegistration = false }
  return {
    cmd = options.cmd,
    root_markers = { 'dsassist.toml', '.git' },
    capabilities = capabilities,
    -- `settings` reach the server when it has begun already.
    init_options = not vim.tbl_isempty(options.settings) and options.settings or nil,
    settings = vim.tbl_isempty(options.settings) and {} or { dsassist = options.settings },
    handlers = { ['dsassist/status'] = require('dsassist.status').took },
    on_exit = ended,
  }
end

--- End the server and start it anew, in the buffers that it served.
function M.restart()
  restarts = {}
  local clients = vim.lsp.get_clients({ name = 'dsassist' })
  local buffers = {}
  for _, client in ipairs(clients) do
    vim.list_extend(buffers, vim.tbl_keys(client.attached_buffers))
    stopping[client.id] = true
    client:stop()
  end
  vim.wait(3000, function()
    return vim.iter(clients):all(function(client)
      return client:is_stopped()
    end)
  end, 20)
  if #buffers == 0 then
    buffers = vim.tbl_filter(function(bufnr)
      return api.nvim_buf_is_loaded(bufnr) and vim.bo[bufnr].buftype == '' and vim.bo[bufnr].filetype ~= ''
    end, api.nvim_list_bufs())
  end
  for _, bufnr in ipairs(buffers) do
    local config = vim.tbl_extend('force', vim.lsp.config.dsassist, { root_dir = vim.fs.root(bufnr, { 'dsassist.toml', '.git' }) })
    vim.lsp.start(config, { bufnr = bufnr })
  end
end

---@return vim.lsp.Client?
local function in_use()
  return vim.lsp.get_clients({ bufnr = 0, name = 'dsassist' })[1] or vim.lsp.get_clients({ name = 'dsassist' })[1]
end

---@return boolean
function M.is_running()
  return in_use() ~= nil
end

--- Run a command of the server; `done` gets what it answers.
---@param command string
---@param arguments? any[]
---@param done? fun(result: any)
function M.execute(command, arguments, done)
  local client = in_use()
  if not client then
    require('dsassist.message').warn('no server runs; open a file, or see :checkhealth dsassist')
    return
  end
  local params = { command = command, arguments = arguments or {} }
  client:request('workspace/executeCommand', params, function(err, result)
    if err then
      require('dsassist.message').error(err.message)
    elseif done then
      done(result ~= vim.NIL and result or nil)
    end
  end)
end

return M
