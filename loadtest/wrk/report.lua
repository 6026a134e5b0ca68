-- Counts responses by status and prints the counts at the end, because a refusal is not a sale.
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
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format('%.0f requests/s, p50 %.2f ms, p99 %.2f ms, statuses:%s%s',
    summary.requests / seconds, latency:percentile(50) / 1000, latency:percentile(99) / 1000, counts,
    failed > 0 and ', requests without a response: ' .. failed or ''))
end
