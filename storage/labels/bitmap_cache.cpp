#include "storage/labels/bitmap_cache.h"

#include <algorithm>
#include <atomic>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

namespace storage::labels {
namespace {

constexpr std::size_t kLogMax = 1'000'000;  // changes while one bitmap is built
constexpr std::uint64_t kDoubtMax = 4096;
constexpr std::uint32_t kRowsPerScan = 4096;
constexpr int kBuildAttemptsMax = 3;
constexpr std::uint64_t kChangesPerWeighing = 4096;

// A change of one row, taken apart.
struct Change {
  NameId name = 0;  // 0: of a key's presence
  std::optional<Value> value;
  Ordinal ordinal = 0;
  bool added = false;
  bool gone = false;  // the key has no current version any more
};

bool concerns(const Term& term, const Change& change) {
  if (term.kind == Term::Kind::present) return change.name == 0;
  if (change.name != term.name) return false;
  if (term.kind == Term::Kind::some && term.node.kind == QueryNode::Kind::exists) return true;
  return change.value && satisfies(term.node, *change.value);
}

std::vector<Change> take_apart(std::span<const PostingChange> changes) {
  std::vector<Change> result;
  result.reserve(changes.size());
  std::vector<Ordinal> gone;
  for (const PostingChange& each : changes) {
    Change change;
    change.added = each.added;
    if (auto object = rows::object_of(each.row)) {
      change.ordinal = object->ordinal;
      if (!each.added) gone.push_back(object->ordinal);
    } else if (auto posting = rows::posting_of(each.row)) {
      change.name = posting->name;
      change.value = std::move(posting->value);
      change.ordinal = posting->ordinal;
    } else {
      continue;
    }
    result.push_back(std::move(change));
  }
  for (Change& change : result) change.gone = std::find(gone.begin(), gone.end(), change.ordinal) != gone.end();
  // What goes is dealt with first: what came in the same commit is then sure.
  std::stable_partition(result.begin(), result.end(), [](const Change& change) { return !change.added; });
  return result;
}

// A bitmap, and who of it is in doubt.
struct Bits {
  std::shared_ptr<OrdinalSet> set = std::make_shared<OrdinalSet>();
  std::shared_ptr<OrdinalSet> doubt = std::make_shared<OrdinalSet>();

  // Others may hold the sets to read them: then a copy is written. Called with the lock held under which they were given out.
  static OrdinalSet& writable(std::shared_ptr<OrdinalSet>& shared) {
    if (shared.use_count() > 1) shared = std::make_shared<OrdinalSet>(*shared);
    return *shared;
  }

  // Of a change that concerns the term.
  void change(const Term& term, const Change& change) {
    if (change.added) {
      writable(set).add(change.ordinal);
      if (doubt->contains(change.ordinal)) writable(doubt).remove(change.ordinal);
      return;
    }
    if (!set->contains(change.ordinal)) return;
    if (term.kind == Term::Kind::some && !change.gone) {
      writable(doubt).add(change.ordinal);
      return;
    }
    writable(set).remove(change.ordinal);
    if (doubt->contains(change.ordinal)) writable(doubt).remove(change.ordinal);
  }
};

// The rows that are read for a term: ranges of them, ascending.
metadata::KeyRange range_of(BucketId bucket, const Term& term) {
  if (term.kind == Term::Kind::present) return metadata::prefix_range(rows::objects_prefix(bucket));
  const QueryNode& node = term.node;
  const auto at = [&](const Value& value) { return rows::postings_prefix(bucket, term.name, encode_ordered(value)); };
  metadata::KeyRange all = metadata::prefix_range(rows::postings_prefix(bucket, term.name));
  if (term.kind == Term::Kind::value) return metadata::prefix_range(at(node.values.front()));
  if (node.kind == QueryNode::Kind::between) return {at(node.values[0]), metadata::prefix_range(at(node.values[1])).end};
  if (node.kind == QueryNode::Kind::prefix) {
    // Strings that begin so lie behind the prefix itself, up to the end of the label; the scan stops where they do.
    all.begin = at(node.values.front());
    all.begin.resize(all.begin.size() - 2);  // without the end mark
    return metadata::prefix_range(all.begin);
  }
  if (node.kind == QueryNode::Kind::compare) {
    // Kinds differ in their first byte, so a bound of a kind ends where the next kind begins.
    const std::string kind_prefix = rows::postings_prefix(bucket, term.name, encode_ordered(node.values.front()).substr(0, 1));
    const metadata::KeyRange kind = metadata::prefix_range(kind_prefix);
    switch (node.comparison) {
      case Operator::less:
        return {kind.begin, at(node.values.front())};
      case Operator::less_equal:
        return {kind.begin, metadata::prefix_range(at(node.values.front())).end};
      case Operator::greater:
        return {metadata::prefix_range(at(node.values.front())).end, kind.end};
      case Operator::greater_equal:
        return {at(node.values.front()), kind.end};
      case Operator::equal:
      case Operator::not_equal:
        break;
    }
  }
  return all;
}

}  // namespace

Term Term::value(NameId name, Value value) {
  Term term;
  term.kind = Kind::value;
  term.name = name;
  term.node.kind = QueryNode::Kind::compare;
  term.node.comparison = Operator::equal;
  term.node.values.push_back(std::move(value));
  return term;
}

Term Term::of(NameId name, QueryNode node) {
  Term term;
  const bool equality = node.kind == QueryNode::Kind::compare && node.comparison == Operator::equal;
  term.kind = equality ? Kind::value : Kind::some;
  term.name = name;
  term.node = std::move(node);
  return term;
}

std::string Term::text() const {
  std::string text;
  text += static_cast<char>(kind);
  if (kind == Kind::present) return text;
  text.append(reinterpret_cast<const char*>(&name), sizeof name);
  text += static_cast<char>(node.kind);
  text += static_cast<char>(node.comparison);
  for (const Value& value : node.values) text += encode_ordered(value);
  return text;
}

struct BitmapCache::State {
  struct Entry {
    BucketId bucket = 0;
    std::string text;
    Term term;
    Bits bits;
    std::uint64_t bytes = 0;
    std::uint64_t changes = 0;  // since it was weighed
  };
  using Entries = std::list<Entry>;  // used most recently first

  // A bitmap on its way.
  struct Build {
    BucketId bucket = 0;
    const Term* term = nullptr;
    std::vector<Change> log;
    bool lost = false;  // a change was missed: start again
  };

  struct BucketBitmaps {
    std::unordered_map<std::string, Entries::iterator> by_text;
    std::unordered_map<NameId, std::vector<Entries::iterator>> by_name;  // 0: presence
    std::vector<Build*> builds;
    bool empty() const { return by_text.empty() && builds.empty(); }
  };

  metadata::MetadataStore& metadata;
  const std::size_t bytes_max;
  std::atomic<std::size_t> watched{0};  // bitmaps and builds of all buckets: commits look no further while there are none

  mutable std::mutex mutex;  // of what follows
  Entries entries;
  std::unordered_map<BucketId, BucketBitmaps> buckets;
  std::uint64_t bytes = 0;

  State(metadata::MetadataStore& store, std::size_t limit) : metadata(store), bytes_max(limit) {}

  // All below: with the lock held.
  Entry* find(BucketId bucket, const std::string& text) {
    const auto known = buckets.find(bucket);
    if (known == buckets.end()) return nullptr;
    const auto entry = known->second.by_text.find(text);
    if (entry == known->second.by_text.end()) return nullptr;
    entries.splice(entries.begin(), entries, entry->second);
    return &*entry->second;
  }

  void drop(Entries::iterator entry) {
    const auto bucket = buckets.find(entry->bucket);
    bucket->second.by_text.erase(entry->text);
    auto& same_name = bucket->second.by_name[entry->term.name];
    std::erase(same_name, entry);
    if (same_name.empty()) bucket->second.by_name.erase(entry->term.name);
    if (bucket->second.empty()) buckets.erase(bucket);
    bytes -= entry->bytes;
    entries.erase(entry);
    --watched;
  }

  void weigh(Entry& entry) {
    constexpr std::uint64_t kOverhead = 512;  // of an entry beside its sets
    const std::uint64_t now = entry.bits.set->bytes() + entry.bits.doubt->bytes() + entry.text.size() + kOverhead;
    bytes += now - entry.bytes;
    entry.bytes = now;
    entry.changes = 0;
  }

  void install(BucketId bucket, const Term& term, Bits bits) {
    std::string text = term.text();
    if (find(bucket, text) != nullptr) return;
    entries.push_front({bucket, text, term, std::move(bits), 0, 0});
    BucketBitmaps& of_bucket = buckets[bucket];
    of_bucket.by_text[std::move(text)] = entries.begin();
    of_bucket.by_name[term.name].push_back(entries.begin());
    ++watched;
    weigh(entries.front());
    // One that is too large alone goes at once: then objects are asked.
    while (!entries.empty() && (bytes > bytes_max || entries.size() > kEntriesMax)) drop(std::prev(entries.end()));
  }

  // Who has gone is in doubt no more.
  static void settle_doubts(BucketBitmaps& bucket, Ordinal gone) {
    for (const auto& [text, entry] : bucket.by_text) {
      Bits& bits = entry->bits;
      if (!bits.doubt->contains(gone)) continue;
      Bits::writable(bits.doubt).remove(gone);
      Bits::writable(bits.set).remove(gone);
    }
  }

  void apply(BucketBitmaps& bucket, const std::vector<Change>& changes) {
    std::vector<Entries::iterator> spoiled;
    for (const Change& change : changes) {
      if (change.name == 0 && !change.added) settle_doubts(bucket, change.ordinal);
      const auto known = bucket.by_name.find(change.name);
      if (known == bucket.by_name.end()) continue;
      for (const Entries::iterator entry : known->second) {
        if (!concerns(entry->term, change)) continue;
        entry->bits.change(entry->term, change);
        if (++entry->changes >= kChangesPerWeighing) weigh(*entry);
        const bool many = !change.added && entry->bits.doubt->size() > kDoubtMax;
        if (many && std::find(spoiled.begin(), spoiled.end(), entry) == spoiled.end()) spoiled.push_back(entry);
      }
    }
    for (Build* build : bucket.builds) {
      for (const Change& change : changes) {
        if (!concerns(*build->term, change)) continue;
        if (build->log.size() == kLogMax) build->lost = true;
        if (!build->lost) build->log.push_back(change);
      }
    }
    for (const Entries::iterator entry : spoiled) drop(entry);
  }
};

BitmapCache::BitmapCache(metadata::MetadataStore& metadata, std::size_t bytes_max)
    : state_(std::make_unique<State>(metadata, bytes_max)) {}
BitmapCache::~BitmapCache() = default;

namespace {

// Registered while it lives.
template <class State, class Build>
class Registration {
 public:
  Registration(State& state, Build& build) : state_(state), build_(build) {
    const std::lock_guard lock(state_.mutex);
    state_.buckets[build_.bucket].builds.push_back(&build_);
    ++state_.watched;
  }
  ~Registration() {
    const std::lock_guard lock(state_.mutex);
    auto bucket = state_.buckets.find(build_.bucket);
    std::erase(bucket->second.builds, &build_);
    if (bucket->second.empty()) state_.buckets.erase(bucket);
    --state_.watched;
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  State& state_;
  Build& build_;
};

std::optional<Ordinal> ordinal_in(const Term& term, const std::string& row) {
  if (term.kind == Term::Kind::present) {
    const auto object = rows::object_of(row);
    return object ? std::optional(object->ordinal) : std::nullopt;
  }
  auto posting = rows::posting_of(row);
  if (!posting) return std::nullopt;
  return posting->ordinal;
}

// Whether the rows of a range need a look at their values: only where the range is wider than the term.
bool must_look(const Term& term) {
  return term.kind == Term::Kind::some && term.node.kind == QueryNode::Kind::compare &&
         term.node.comparison == Operator::not_equal;
}

}  // namespace

Task<Result<BitmapCache::Built>> BitmapCache::build(BucketId bucket, Term term, std::uint64_t rows_max, std::uint64_t& rows) {
  const metadata::KeyRange whole = range_of(bucket, term);
  for (int attempt = 0; attempt < kBuildAttemptsMax; ++attempt) {
    if (has(bucket, term)) co_return Built::known;
    State::Build build;
    build.bucket = bucket;
    build.term = &term;
    const Registration<State, State::Build> registered(*state_, build);
    Bits bits;
    metadata::KeyRange range = whole;
    std::uint64_t read = 0;
    while (range.begin < range.end || range.end.empty()) {
      auto page = co_await state_->metadata.scan(range, kRowsPerScan);
      if (!page) co_return page.error();
      read += page->entries.size();
      rows += page->entries.size();
      if (rows_max != 0 && read > rows_max) co_return Built::too_large;
      std::vector<Ordinal> ordinals;
      for (const metadata::Entry& entry : page->entries) {
        if (must_look(term)) {
          const auto posting = labels::rows::posting_of(entry.key);
          if (posting && (!posting->value || !satisfies(term.node, *posting->value))) continue;
        }
        const auto ordinal = ordinal_in(term, entry.key);
        if (!ordinal) co_return Errc::corrupt_record;
        ordinals.push_back(*ordinal);
      }
      bits.set->add_all(ordinals);
      if (!page->next) break;
      range.begin = *page->next;
    }
    const std::lock_guard lock(state_->mutex);
    if (build.lost) continue;
    for (const Change& change : build.log) bits.change(term, change);
    if (bits.doubt->size() <= kDoubtMax) state_->install(bucket, term, std::move(bits));
    co_return Built::known;
  }
  co_return Errc::overloaded;
}

bool BitmapCache::has(BucketId bucket, const Term& term) {
  const std::lock_guard lock(state_->mutex);
  return state_->find(bucket, term.text()) != nullptr;
}

std::optional<std::uint64_t> BitmapCache::size_of(BucketId bucket, const Term& term) {
  const std::lock_guard lock(state_->mutex);
  const State::Entry* const entry = state_->find(bucket, term.text());
  if (entry == nullptr) return std::nullopt;
  return entry->bits.set->size();
}

std::vector<std::optional<Match>> BitmapCache::match(BucketId bucket, const std::vector<Term>& terms) {
  std::vector<Bits> found(terms.size());
  std::vector<bool> known(terms.size());
  {
    const std::lock_guard lock(state_->mutex);
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const State::Entry* const entry = state_->find(bucket, terms[i].text());
      known[i] = entry != nullptr;
      if (entry != nullptr) found[i] = entry->bits;
    }
  }
  std::vector<std::optional<Match>> matches(terms.size());
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (known[i]) matches[i] = Match::of(std::move(found[i].set), std::move(found[i].doubt));
  }
  return matches;
}

void BitmapCache::apply(BucketId bucket, std::span<const PostingChange> changes) {
  if (state_->watched.load() == 0) return;
  const std::lock_guard lock(state_->mutex);
  const auto known = state_->buckets.find(bucket);
  if (known == state_->buckets.end()) return;
  state_->apply(known->second, take_apart(changes));
}

void BitmapCache::forget(BucketId bucket) {
  const std::lock_guard lock(state_->mutex);
  const auto known = state_->buckets.find(bucket);
  if (known == state_->buckets.end()) return;
  for (State::Build* build : known->second.builds) build->lost = true;
  // The last drop may take the bucket's own entry with it.
  std::vector<State::Entries::iterator> all;
  for (const auto& [text, entry] : known->second.by_text) all.push_back(entry);
  for (const State::Entries::iterator entry : all) state_->drop(entry);
}

std::uint64_t BitmapCache::bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->bytes;
}

}  // namespace storage::labels
