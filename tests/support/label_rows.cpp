#include "tests/support/label_rows.h"

#include <map>
#include <stdexcept>

#include "storage/keys.h"
#include "storage/labels/label_sources.h"
#include "storage/labels/rows.h"
#include "storage/records.h"

namespace tests {
namespace {

namespace rows = storage::labels::rows;
using Rows = std::map<std::string, std::string>;

Rows all_rows(SimulatedStore& store, char type) {
  Rows found;
  storage::metadata::KeyRange range = storage::metadata::prefix_range(std::string(1, type));
  while (true) {
    auto page = store.run(store.rows().scan(range, 10'000)).value();
    for (auto& entry : page.entries) found.emplace(std::move(entry.key), std::move(entry.value));
    if (!page.next) return found;
    range.begin = *page.next;
  }
}

storage::labels::BucketId bucket_of(const std::string& row) {
  storage::labels::BucketId bucket = 0;
  for (std::size_t i = 1; i < 9; ++i) bucket = bucket << 8 | static_cast<unsigned char>(row.at(i));
  return bucket;
}

std::string printable(const std::string& row) { return row.substr(0, 1) + storage::hex(std::string_view(row).substr(1)); }

class Expectation {
 public:
  explicit Expectation(SimulatedStore& store) : store_(store) {
    for (const auto& [row, value] : all_rows(store, 'N')) {
      ids_[row] = static_cast<storage::labels::NameId>(storage::metadata::counter_value(value).value());
    }
  }

  void add(const std::string& row, const std::string& value) {
    storage::records::Head head;
    if (!storage::parse(value, head)) throw std::runtime_error("a head that cannot be read");
    const storage::records::Version& version = head.current();
    if (version.delete_marker()) return;
    const auto bucket = bucket_of(row);
    if (head.ordinal() == 0) throw std::runtime_error("a head without an ordinal");
    if (!rows_.emplace(rows::object(bucket, head.ordinal()), storage::keys::head_object(row).value()).second) {
      throw std::runtime_error("an ordinal of two keys");
    }
    storage::labels::Labeller labeller;
    for (const auto& tag : version.attributes().tags()) labeller.tag(tag.name(), tag.value());
    for (const auto& each : version.attributes().user_metadata()) labeller.metadata(each.name(), each.value());
    std::string sources = version.labels();
    if (version.labels_row()) sources = store_.run(store_.rows().get(storage::keys::label_sources(version.holder())))->value;
    labeller.add(storage::labels::decode_sources(sources).value());
    const storage::labels::Labelled labelled = labeller.take();
    for (const auto& [name, values] : labelled.labels.all()) {
      const auto id = ids_.at(rows::name(bucket, name));
      if (values.empty()) rows_[rows::posting(bucket, id, storage::labels::encode_no_value(), head.ordinal())];
      for (const auto& each : values) {
        rows_[rows::posting(bucket, id, storage::labels::encode_ordered(each), head.ordinal())];
      }
    }
    for (const auto& [name, values] : labelled.not_indexed) {
      rows_[rows::not_indexed(bucket, name, head.ordinal())] = storage::metadata::counter_bytes(values);
    }
  }

  std::string compare() {
    Rows found = all_rows(store_, 'K');
    found.merge(all_rows(store_, 'O'));
    found.merge(all_rows(store_, 'M'));
    for (const auto& [row, value] : rows_) {
      const auto there = found.find(row);
      if (there == found.end()) return "missing: " + printable(row);
      if (there->second != value) return "another value: " + printable(row);
    }
    for (const auto& [row, value] : found) {
      if (!rows_.contains(row)) return "too many: " + printable(row);
    }
    return {};
  }

 private:
  SimulatedStore& store_;
  std::map<std::string, storage::labels::NameId> ids_;
  Rows rows_;
};

}  // namespace

std::string check_label_rows(SimulatedStore& store) {
  Expectation expectation(store);
  for (const auto& [row, value] : all_rows(store, 'H')) expectation.add(row, value);
  return expectation.compare();
}

}  // namespace tests
