#include "native/cuda/runtime/status.h"

#include <bit>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "native/cuda/runtime/context.h"
#include "native/cuda/runtime/launch.h"

namespace spinegrad::cuda {
namespace {

using Report = std::pair<std::string, std::string>;

/// Messages by number. They are few (one per call site and shape) and never removed, because a captured step may report
/// again at any time.
struct Reports {
  std::mutex mutex;
  std::vector<Report> list;
  std::map<Report, int32_t> numbers;
};

Reports& reports() {
  static auto* table = new Reports();
  return *table;
}

void replace(std::string& text, const std::string& name, const std::string& replacement) {
  if (const size_t at = text.find(name); at != std::string::npos) text.replace(at, name.size(), replacement);
}

}  // namespace

int32_t reportLater(const std::string& code, const std::string& text) {
  Reports& table = reports();
  std::lock_guard lock(table.mutex);
  const auto [entry, added] = table.numbers.emplace(Report(code, text), 0);
  if (added) {
    table.list.push_back(entry->first);
    entry->second = static_cast<int32_t>(table.list.size());
  }
  return entry->second;
}

Error errorOf(const Status& status) {
  Reports& table = reports();
  std::lock_guard lock(table.mutex);
  auto [code, text] = table.list.at(static_cast<size_t>(status.report) - 1);
  replace(text, "{value}", std::to_string(status.value));
  replace(text, "{float}", std::to_string(std::bit_cast<float>(status.value)));
  replace(text, "{position}", std::to_string(status.position));
  return Error(code, text);
}

void expectRange(const int32_t* values, int64_t count, int32_t low, int32_t high, const std::string& code,
                 const std::string& text) {
  launch("status_expect_range", {1}, {256}, 0, values, count, low, high, reportLater(code, text),
         currentContext().status());
}

}  // namespace spinegrad::cuda
