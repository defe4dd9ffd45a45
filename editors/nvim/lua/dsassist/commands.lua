--- `:Dsassist` with its subcommands, each a function in one table, and `:DsaExplain`.

local api = vim.api

local M = {}

--- The command line of dsassist itself, as the options start the server: `{ "dsassist", "lsp" }` gives `{ "dsassist", ... }`.
---@param arguments string[]
---@return string[]
local function command_line(arguments)
  local found = {}
  for _, word in ipairs(require('dsassist.options').current.cmd) do
    if word == 'lsp' then
      break
    end
    found[#found + 1] = word
  end
  return vim.list_extend(found, arguments)
end

--- Lines in a window of their own, which `q` closes.
---@param title string
---@param lines string[]
---@param filetype string
local function show(title, lines, filetype)
  local bufnr = api.nvim_create_buf(false, true)
  api.nvim_buf_set_lines(bufnr, 0, -1, false, lines)
  vim.bo[bufnr].filetype = filetype
  vim.bo[bufnr].modifiable = false
  vim.bo[bufnr].bufhidden = 'wipe'
  vim.cmd.split()
  api.nvim_win_set_buf(0, bufnr)
  vim.wo.winbar = title
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = bufnr, nowait = true })
end

---@param arguments string[]
---@param done fun(result: vim.SystemCompleted)
---@param folder? string where it runs
local function run(arguments, done, folder)
  local line = command_line(arguments)
  local is_started, problem = pcall(vim.system, line, { text = true, cwd = folder }, vim.schedule_wrap(done))
  if not is_started then
    require('dsassist.message').error(('%s cannot be started: %s'):format(line[1], problem))
  end
end

---@param text string
---@param folder string that the paths in it begin at
---@return table[] items for the quickfix list
local function findings_in(text, folder)
  local found = {}
  for line in vim.gsplit(text, '\n', { plain = true }) do
    local path, row, column, severity, message = line:match('^(%S.-):(%d+):(%d+): (%a+): (.*)$')
    if path then
      found[#found + 1] = {
        filename = vim.startswith(path, '/') and path or vim.fs.joinpath(folder, path),
        lnum = tonumber(row),
        col = tonumber(column),
        type = severity:sub(1, 1):upper(),
        text = message,
      }
    end
  end
  return found
end

---@param text string
---@return string
local function last_line(text)
  local lines = vim.split(vim.trim(text), '\n', { plain = true })
  return (lines[#lines]:gsub('^dsassist: ', ''))
end

---@param lines string[]
local function show_completion(lines)
  show('dsassist: the last completion', lines, 'text')
end

--- The last one of any server: the file is a second behind.
local function show_recorded_completion()
  run({ 'explain-completion' }, function(result)
    if result.code ~= 0 then
      require('dsassist.message').error(last_line(result.stderr))
      return
    end
    show_completion(vim.split(vim.trim(result.stdout), '\n', { plain = true }))
  end)
end

---@param arguments string[]
local function review(arguments)
  local message = require('dsassist.message')
  -- What is staged is told by paths from the repository's root, wherever Neovim runs.
  local folder = vim.fs.root(0, '.git') or vim.fs.root(vim.fn.getcwd(), '.git') or vim.fn.getcwd()
  local words = vim.tbl_map(function(word)
    return vim.uv.fs_stat(word) and vim.fs.abspath(word) or word
  end, arguments)
  message.info('reviewing ...')
  run(vim.list_extend({ 'review' }, words), function(result)
    local found = findings_in(result.stdout, folder)
    vim.fn.setqflist({}, ' ', { title = 'dsassist review', items = found })
    if #found > 0 then
      vim.cmd('botright copen')
    elseif result.code <= 1 then
      message.info(last_line(result.stderr))
    else
      message.error(last_line(result.stderr))
    end
  end, folder)
end

---@param minutes? string
local function snooze(minutes)
  local wanted = minutes and tonumber(minutes)
  if minutes and not wanted then
    require('dsassist.message').error(('snooze takes a number of minutes, not %s'):format(minutes))
    return
  end
  require('dsassist.server').execute('dsassist.snooze', { wanted }, function(status)
    require('dsassist.ghost').clear_all()
    require('dsassist.message').info(status.message ~= '' and status.message or 'completions are shown again')
  end)
end

---@param status dsassist.Status
local function tell_status(status)
  local parts = { status.kind, status.model, status.message, status.reason }
  for _, hint in ipairs(status.hints) do
    parts[#parts + 1] = hint
  end
  parts = vim.tbl_filter(function(part)
    return type(part) == 'string' and part ~= ''
  end, parts)
  require('dsassist.message').info(table.concat(vim.fn.uniq(parts), '; '))
end

---@type table<string, { run: fun(arguments: string[]), complete?: fun(begun: string): string[] }>
local SUBCOMMANDS = {
  status = {
    run = function()
      require('dsassist.server').execute('dsassist.status', {}, tell_status)
    end,
  },
  snooze = {
    run = function(arguments)
      snooze(arguments[1])
    end,
    complete = function()
      return { '10', '30', '60', '480' }
    end,
  },
  unsnooze = {
    run = function()
      require('dsassist.server').execute('dsassist.unsnooze', {}, function()
        require('dsassist.message').info('completions are shown again')
      end)
    end,
  },
  restart = {
    run = function()
      require('dsassist.server').restart()
    end,
  },
  log = {
    run = function()
      vim.cmd.tabnew(vim.fn.fnameescape(vim.lsp.log.get_filename()))
    end,
  },
  prompt = {
    run = function()
      local server = require('dsassist.server')
      if not server.is_running() then
        show_recorded_completion()
        return
      end
      server.execute('dsassist.explainCompletion', {}, function(explanation)
        if explanation then
          show_completion(explanation.lines)
        else
          show_recorded_completion()
        end
      end)
    end,
  },
  review = {
    run = review,
    complete = function(begun)
      return vim.fn.getcompletion(begun, 'file')
    end,
  },
  stats = {
    run = function()
      run({ 'stats' }, function(result)
        local text = result.code == 0 and result.stdout or result.stderr
        show('dsassist: what became of the completions', vim.split(vim.trim(text), '\n', { plain = true }), 'text')
      end)
    end,
  },
}

---@param first integer
---@param last integer
---@param is_range boolean
local function explain(first, last, is_range)
  local client = vim.lsp.get_clients({ bufnr = 0, name = 'dsassist' })[1]
  if not client then
    require('dsassist.message').warn('no server runs for this file (:checkhealth dsassist)')
    return
  end
  local here = vim.lsp.util.make_position_params(0, client.offset_encoding).position
  local range = { start = here, ['end'] = here }
  if is_range then
    range = { start = { line = first - 1, character = 0 }, ['end'] = { line = last, character = 0 } }
  end
  local uri = vim.uri_from_bufnr(0)
  require('dsassist.server').execute('dsassist.explain', { { uri = uri, range = range } })
end

---@param line string
---@return string[]
local function complete(_, line)
  local words = vim.split(line, '%s+')
  local choices
  if #words <= 2 then
    choices = vim.tbl_keys(SUBCOMMANDS)
  else
    local subcommand = SUBCOMMANDS[words[2]]
    choices = subcommand and subcommand.complete and subcommand.complete(words[#words]) or {}
  end
  table.sort(choices)
  return vim.tbl_filter(function(choice)
    return vim.startswith(choice, words[#words])
  end, choices)
end

---@param arguments string[]
local function dispatch(arguments)
  local name = table.remove(arguments, 1) or 'status'
  local subcommand = SUBCOMMANDS[name]
  if not subcommand then
    require('dsassist.message').error(('there is no :Dsassist %s (:help :Dsassist)'):format(name))
    return
  end
  subcommand.run(arguments)
end

--- Make the user commands; their code is read when one is first run.
function M.define()
  api.nvim_create_user_command('Dsassist', function(call)
    dispatch(call.fargs)
  end, { nargs = '*', complete = complete, desc = 'dsassist: status, snooze, review and more' })
  api.nvim_create_user_command('DsaExplain', function(call)
    explain(call.line1, call.line2, call.range > 0)
  end, { range = true, desc = 'dsassist: have the function here, or the lines given, explained' })
end

return M
