--- `:checkhealth dsassist`.

local M = {}

local health = vim.health

local function check_editor()
  health.start('Neovim')
  if vim.fn.has('nvim-0.11') == 0 then
    health.error('Neovim 0.11 or newer is needed')
    return
  end
  local kind = require('dsassist.ghost').kind()
  local who = kind == 'native' and 'Neovim itself (vim.lsp.inline_completion)' or 'the plug-in'
  health.ok(('ghost text is drawn by %s'):format(who))
end

---@return boolean
local function check_program()
  health.start('The program')
  local cmd = require('dsassist.options').current.cmd
  local path = vim.fn.exepath(cmd[1])
  if path == '' then
    health.error(('%s was not found'):format(cmd[1]), {
      'Install dsassist into an environment whose bin folder is in the PATH that Neovim was started with',
      'or name the program: require("dsassist").setup({ cmd = { "/path/to/dsassist", "lsp" } })',
    })
    return false
  end
  health.ok(path)
  if vim.fs.basename(cmd[1]) == 'dsassist' then
    local result = vim.system({ path, '--version' }, { text = true }):wait(10000)
    if result.code == 0 then
      health.ok(vim.trim(result.stdout))
    else
      health.error('`dsassist --version` failed: ' .. vim.trim(result.stderr))
    end
  end
  return true
end

local function check_server()
  health.start('The server')
  if vim.lsp.is_enabled and not vim.lsp.is_enabled('dsassist') then -- 0.11 does not tell
    health.warn('the server is not enabled', { 'Call require("dsassist").setup() in your init.lua' })
  end
  local clients = vim.lsp.get_clients({ name = 'dsassist' })
  if #clients == 0 then
    health.info('none runs; it starts with the first file that is opened')
  end
  for _, client in ipairs(clients) do
    health.ok(('client %d serves %d buffers below %s'):format(
      client.id,
      vim.tbl_count(client.attached_buffers),
      client.root_dir or 'no root'
    ))
    if not vim.tbl_get(client, 'server_capabilities', 'inlineCompletionProvider') then
      health.error('the server offers no ghost text', { 'Is `cmd` really dsassist? Update it' })
    end
  end
  local status = require('dsassist').status()
  if not status then
    return
  end
  local say = ({ error = health.error, stopped = health.error, loading = health.info })[status.kind] or health.ok
  say(('%s: %s %s'):format(status.kind, status.model, status.message))
  if status.reason ~= '' then
    health.info('nothing was shown the last time: ' .. status.reason)
  end
  for _, hint in ipairs(status.hints) do
    health.info(hint)
  end
end

local function check_keys()
  health.start('Keys')
  for action, key in vim.spairs(require('dsassist.keys').mapped) do
    local mapping = vim.fn.maparg(key, 'i', false, true)
    if vim.startswith(mapping.desc or '', 'dsassist: ') then
      health.ok(('%s: %s'):format(key, action))
    else
      health.warn(('%s is mapped by somebody else since: %s'):format(key, mapping.desc or mapping.rhs or 'a function'), {
        ('Call require("dsassist").%s() in that mapping; it is false when nothing is shown'):format(action),
      })
    end
  end
end

--- Called by `:checkhealth dsassist`.
function M.check()
  check_editor()
  if check_program() then
    check_server()
  end
  check_keys()
end

return M
