// The table of virtual objects, and the listing of them.
#include <algorithm>

#include "api/ascii.h"
#include "api/virtual/answers.h"
#include "api/virtual/virtual_object.h"

namespace api {
namespace {

// A row a line, ascending by pattern.
// clang-format off
constexpr VirtualRow kRows[] = {
    {.pattern = "agreement/", .read = read_agreement},
    {.pattern = "count/", .read = read_count},
    {.pattern = "drift/", .read = read_drift},
    {.pattern = "labels", .read = read_labels},
    {.pattern = "labels/", .read = read_label_stream, .write = write_label_stream, .list = list_label_streams},
    {.pattern = "pending/", .read = read_pending, .remove = remove_pending},
    {.pattern = "query/", .read = read_query},
    {.pattern = "rules", .read = read_rules, .write = write_rules, .remove = remove_rules, .list = list_rules},
    {.pattern = "rules/apply", .read = read_rule_run, .write = write_rule_run},
    {.pattern = "stats/", .read = read_stats},
    {.pattern = "unlabelled/", .read = read_unlabelled},
};
// clang-format on
static_assert(std::is_sorted(std::begin(kRows), std::end(kRows),
                             [](const VirtualRow& a, const VirtualRow& b) { return a.pattern < b.pattern; }),
              "listings walk the table in the order of keys");

// How many entries one row is asked for at a time.
constexpr std::uint32_t kEntriesPerStep = 1000;

// Folds entries in key order into one page.
class VirtualPage {
 public:
  explicit VirtualPage(const storage::ListOptions& options) : options_(options) {}

  // False: the page is full.
  bool add(storage::ObjectInfoPtr entry) {
    const std::string& key = entry->key;
    if (!key.starts_with(options_.prefix) || key <= options_.after) return true;
    std::string prefix;
    if (!options_.delimiter.empty()) {
      const std::size_t at = key.find(options_.delimiter, options_.prefix.size());
      if (at != std::string::npos) prefix = key.substr(0, at + options_.delimiter.size());
    }
    if (!prefix.empty() && (prefix <= options_.after || prefix == last_)) return true;
    if (page_.objects.size() + page_.common_prefixes.size() == options_.entries_max) {
      page_.truncated = true;
      page_.next_after = last_;
      return false;
    }
    if (prefix.empty()) {
      last_ = key;
      page_.objects.push_back(std::move(entry));
    } else {
      last_ = prefix;
      page_.common_prefixes.push_back(std::move(prefix));
    }
    return true;
  }

  storage::ObjectPage take() { return std::move(page_); }

 private:
  const storage::ListOptions& options_;
  storage::ObjectPage page_;
  std::string last_;
};

// Whether a key of this row may be what the listing asks for.
bool may_match(const VirtualRow& row, const storage::ListOptions& options) {
  const std::string shape = std::string(kVirtualPrefix).append(row.pattern);
  return shape.starts_with(options.prefix) || std::string_view(options.prefix).starts_with(shape);
}

}  // namespace

std::span<const VirtualRow> virtual_rows() { return kRows; }

std::optional<VirtualPlace> find_virtual(std::string_view key) {
  if (!is_virtual_key(key)) return std::nullopt;
  key.remove_prefix(kVirtualPrefix.size());
  std::optional<VirtualPlace> found;
  for (const VirtualRow& row : kRows) {
    if (row.pattern == key && !row.pattern.ends_with('/')) return VirtualPlace{&row, {}};
    if (row.pattern.ends_with('/') && key.starts_with(row.pattern)) {
      found = VirtualPlace{&row, key.substr(row.pattern.size())};
    }
  }
  return found;
}

Outcome<> check_rest(const VirtualPlace& place) {
  if (!place.rest.empty() || !place.row->pattern.ends_with('/')) return done();
  std::string message = "Expected more behind ";
  message.append(kVirtualPrefix).append(place.row->pattern);
  return invalid_argument("key", "", std::move(message));
}

Task<Outcome<storage::ObjectPage>> list_virtual(Call& call, storage::ListOptions options) {
  VirtualPage page(options);
  if (options.entries_max == 0) co_return page.take();
  for (const VirtualRow& row : kRows) {
    if (row.list == nullptr || !may_match(row, options)) continue;
    std::string after = options.after;
    while (true) {
      auto entries = co_await row.list(call, after, kEntriesPerStep);
      if (!entries) co_return entries.error();
      const bool last = entries->size() < kEntriesPerStep;
      if (!last) after = entries->back()->key;
      for (storage::ObjectInfoPtr& entry : *entries) {
        if (!page.add(std::move(entry))) co_return page.take();
      }
      if (last) break;
    }
  }
  co_return page.take();
}

Task<Outcome<bool>> WholeText::more(std::string& to) {
  to += text_;
  co_return false;
}

}  // namespace api
