// ObjectStore: what a commit makes of the index's rows (invariant 16: a posting exists exactly when the current version carries
// the label). One function for every writer of what is current.
#include <algorithm>
#include <utility>

#include "storage/object_store_state.h"

namespace storage {
namespace {

namespace rows = labels::rows;

// Encoded sources up to here lie in the version itself.
constexpr std::size_t kSourcesInlineMax = 2 * 1024;

labels::Labelled label(const records::Version& version, const labels::Sources& sources) {
  labels::Labeller labeller;
  for (const auto& tag : version.attributes().tags()) labeller.tag(tag.name(), tag.value());
  for (const auto& each : version.attributes().user_metadata()) labeller.metadata(each.name(), each.value());
  labeller.add(sources);
  return labeller.take();
}

bool has_labels(const records::Version& version) {
  return version.labels_row() || !version.labels().empty() || version.attributes().tags_size() > 0 ||
         version.attributes().user_metadata_size() > 0;
}

// The changes of one key's rows.
class Difference {
 public:
  Difference(VersionEdit& edit, keys::BucketId bucket, labels::Ordinal ordinal)
      : edit_(edit), bucket_(bucket), ordinal_(ordinal) {}

  void add(labels::NameId name, const labels::LabelSet::Values* before, const labels::LabelSet::Values* after) {
    static const labels::LabelSet::Values kNone;
    const auto& old_values = before != nullptr ? *before : kNone;
    const auto& new_values = after != nullptr ? *after : kNone;
    const bool bare_before = before != nullptr && before->empty();
    const bool bare_after = after != nullptr && after->empty();
    if (bare_before && !bare_after) remove(rows::posting(bucket_, name, labels::encode_no_value(), ordinal_));
    if (bare_after && !bare_before) put(rows::posting(bucket_, name, labels::encode_no_value(), ordinal_), {});
    auto old_value = old_values.begin();
    auto new_value = new_values.begin();
    while (old_value != old_values.end() || new_value != new_values.end()) {
      const bool goes = new_value == new_values.end() || (old_value != old_values.end() && *old_value < *new_value);
      const bool comes = old_value == old_values.end() || (new_value != new_values.end() && *new_value < *old_value);
      if (goes) remove(rows::posting(bucket_, name, labels::encode_ordered(*old_value), ordinal_));
      if (comes) put(rows::posting(bucket_, name, labels::encode_ordered(*new_value), ordinal_), {});
      if (!comes) ++old_value;
      if (!goes) ++new_value;
    }
  }

  void add_left_out(const labels::LeftOut& before, const labels::LeftOut& after) {
    for (const auto& [name, values] : after) {
      const auto known = before.find(name);
      if (known != before.end() && known->second == values) continue;
      edit_.transaction.put(rows::not_indexed(bucket_, name, ordinal_), metadata::counter_bytes(values));
    }
    for (const auto& [name, values] : before) {
      if (!after.contains(name)) edit_.transaction.remove(rows::not_indexed(bucket_, name, ordinal_));
    }
  }

  void add_presence(const std::string& key, bool before, bool after) {
    if (before && !after) remove(rows::object(bucket_, ordinal_));
    if (after && !before) put(rows::object(bucket_, ordinal_), key);
  }

 private:
  void put(std::string row, std::string value) {
    edit_.postings.push_back({row, true});
    edit_.transaction.put(std::move(row), std::move(value));
  }
  void remove(std::string row) {
    edit_.postings.push_back({row, false});
    edit_.transaction.remove(std::move(row));
  }

  VersionEdit& edit_;
  keys::BucketId bucket_;
  labels::Ordinal ordinal_;
};

std::vector<std::string> names_of(const labels::LabelSet& before, const labels::LabelSet& after) {
  std::vector<std::string> names;
  for (const auto& [name, values] : before.all()) names.push_back(name);
  for (const auto& [name, values] : after.all()) {
    if (before.find(name) == nullptr) names.push_back(name);
  }
  return names;
}

// What a name without an id costs a version: its values are not indexed.
void leave_out(labels::Labelled& labelled, const LabelIndex::NameIds& ids, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (ids.contains(name)) continue;
    const auto* const values = labelled.labels.find(name);
    if (values == nullptr) continue;
    labelled.not_indexed[name] += static_cast<std::uint32_t>(std::max<std::size_t>(values->size(), 1));
    labelled.labels.remove(name);
  }
}

}  // namespace

std::vector<std::string> label_row_prefixes(keys::BucketId bucket) {
  return {rows::postings_prefix(bucket), rows::objects_prefix(bucket), rows::not_indexed_prefix(bucket),
          rows::names_prefix(bucket), keys::pending_lines(bucket), keys::pending_bytes(bucket)};
}

Task<Result<labels::Sources>> ObjectStore::State::load_sources(records::Version version) {
  if (!version.labels_row()) co_return labels::decode_sources(version.labels());
  auto entry = co_await metadata.get(keys::label_sources(version.holder()));
  if (!entry) co_return entry.error() == Errc::not_found ? Error(Errc::conflict) : entry.error();
  co_return labels::decode_sources(entry->value);
}

void ObjectStore::State::set_sources(metadata::Transaction& transaction, records::Version& next,
                                     const labels::Sources& sources) {
  std::string bytes = labels::encode(sources);
  const std::string row = keys::label_sources(next.holder());
  if (bytes.size() <= kSourcesInlineMax) {
    if (next.labels_row()) transaction.remove(row);
    next.set_labels_row(false);
    next.set_labels(std::move(bytes));
    return;
  }
  transaction.put(row, std::move(bytes));
  next.set_labels_row(true);
  next.clear_labels();
}

void ObjectStore::State::reset_sources(VersionEdit& edit, records::Version& next, const labels::Sources& sources) {
  const std::string row = keys::label_sources(next.holder());
  const auto put_before =
      std::erase_if(edit.transaction.puts, [&](const metadata::Transaction::Put& put) { return put.key == row; });
  // A row that this edit would have put is not there to be removed.
  if (put_before > 0) next.set_labels_row(false);
  set_sources(edit.transaction, next, sources);
}

Task<Result<>> ObjectStore::State::set_rules(VersionEdit& edit, records::Version& next, const RuleJudge& rules) {
  auto labels = rules(next.size());
  if (!labels) co_return labels.error();
  auto sources = co_await new_sources(edit, next);
  if (!sources) co_return sources.error();
  if (sources->rules == *labels) co_return success();
  sources->rules = std::move(*labels);
  reset_sources(edit, next, *sources);
  co_return success();
}

Task<Result<labels::Labelled>> ObjectStore::State::labels_of(keys::BucketId bucket, HeadRecordPtr version) {
  labels::Labelled labelled;
  const records::Version& row = version->row.current();
  if (row.delete_marker() || !has_labels(row)) co_return labelled;
  auto sources = co_await load_sources(row);
  if (!sources) co_return sources.error();
  labelled = label(row, *sources);
  std::vector<std::string> names = names_of({}, labelled.labels);
  LabelIndex::NameIds ids;
  bool some_left_out = false;
  for (const std::string& name : names) {
    auto id = co_await label_index.find_name(bucket, name);
    if (!id) co_return id.error();
    if (*id) {
      ids.emplace(name, **id);
    } else {
      some_left_out = true;
    }
  }
  if (!some_left_out) co_return labelled;
  // Names of a version that was never current get their ids when it is; only a full bucket leaves names out for ever.
  auto count = co_await label_index.names_count(bucket);
  if (!count) co_return count.error();
  if (*count >= LabelIndex::kNamesMax) leave_out(labelled, ids, names);
  co_return labelled;
}

Task<Result<>> ObjectStore::State::change_labels(VersionEdit& edit, BucketRecordPtr bucket, std::string key,
                                                 HeadRecordPtr before, records::Head* after) {
  const bool present_before = present(before) != nullptr && before->row.ordinal() != 0;
  const bool present_after = after != nullptr && !after->current().delete_marker();
  if (present_after && after->ordinal() == 0) {
    std::optional<labels::Ordinal> ordinal = label_index.leased_ordinal(bucket->id);
    if (!ordinal) {
      auto leased = co_await label_index.new_ordinal(bucket);
      if (!leased) co_return leased.error();
      ordinal = *leased;
    }
    after->set_ordinal(*ordinal);
  }
  if (!present_before && !present_after) co_return success();
  if (!present_before) {
    Result<> joined = co_await join_pending(edit, bucket->id, key, *after->mutable_current());
    if (!joined) co_return joined;
  }
  labels::Labelled old_labels;
  labels::Labelled new_labels;
  if (present_before && has_labels(before->row.current())) {
    auto sources = co_await load_sources(before->row.current());
    if (!sources) co_return sources.error();
    old_labels = label(before->row.current(), *sources);
  }
  if (present_after && has_labels(after->current())) {
    auto sources = co_await new_sources(edit, after->current());
    if (!sources) co_return sources.error();
    new_labels = label(after->current(), *sources);
  }
  std::vector<std::string> names = names_of(old_labels.labels, new_labels.labels);
  LabelIndex::NameIds ids;
  if (!names.empty()) {
    auto found = co_await label_index.name_ids(bucket, names);
    if (!found) co_return found.error();
    ids = std::move(*found);
    if (ids.size() < names.size()) {
      leave_out(old_labels, ids, names);
      leave_out(new_labels, ids, names);
    }
  }
  Difference difference(edit, bucket->id, present_before ? before->row.ordinal() : after->ordinal());
  for (const auto& [name, id] : ids) difference.add(id, old_labels.labels.find(name), new_labels.labels.find(name));
  difference.add_left_out(old_labels.not_indexed, new_labels.not_indexed);
  difference.add_presence(key, present_before, present_after);
  co_return success();
}

// The sources of a version that is just being made: their row may be in the edit.
Task<Result<labels::Sources>> ObjectStore::State::new_sources(const VersionEdit& edit, records::Version version) {
  if (version.labels_row()) {
    const std::string row = keys::label_sources(version.holder());
    for (const auto& put : edit.transaction.puts) {
      if (put.key == row) co_return labels::decode_sources(put.value);
    }
  }
  co_return co_await load_sources(std::move(version));
}

Task<Result<>> ObjectStore::State::release_labels(VersionEdit& edit, records::Version version) {
  if (!version.labels_row() && version.labels().empty()) co_return success();
  auto sources = co_await load_sources(version);
  if (!sources) co_return sources.error();
  if (version.labels_row()) edit.transaction.remove(keys::label_sources(version.holder()));
  for (const labels::Annotation& annotation : sources->annotations) {
    Result<> released = co_await release_annotation(edit, version.holder(), annotation);
    if (!released) co_return released;
  }
  co_return success();
}

Task<Result<>> ObjectStore::State::release_annotation(VersionEdit& edit, std::string holder,
                                                      labels::Annotation annotation) {
  const std::string row_key = keys::annotation(holder, annotation.name, annotation.revision);
  edit.transaction.remove(row_key);
  if (annotation.inlined) co_return success();
  auto row = co_await load_annotation(std::move(holder), std::move(annotation));
  if (!row) co_return row.error();
  co_return co_await release_blob(edit.transaction, blob_id(row->blob_id()), row->blob_chunks(), row_key, false,
                                  edit.change);
}

}  // namespace storage
