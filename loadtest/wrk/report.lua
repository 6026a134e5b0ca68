-- Counts answers by status, and says at the end how many of each there were: a refusal is no sale.
local statuses = {}
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function response(status)
  statuses[status] = (statuses[status] or 0) + 1
  text = ''
  for code, count in pairs(statuses) do
    text = text .. ' ' .. code .. ':' .. count
  end
end

function done(summary, latency)
  local seconds = summary.duration / 1e6
  local counts = ''
  for _, thread in ipairs(threads) do
    counts = counts .. (thread:get('text') or '')
  end
  print(string.format('%.0f requests/s, p50 %.2f ms, p99 %.2f ms, statuses:%s',
    summary.requests / seconds, latency:percentile(50) / 1000, latency:percentile(99) / 1000, counts))
end
