// Random histories of objects and their labels; after each step random queries are answered by the index and by asking every
// object, also after restarts and power cuts. A failure prints the seed; GRANARY_SEED repeats it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "storage/labels/query.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

std::uint64_t chosen_seed() {
  const char* given = std::getenv("GRANARY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

using Keys = std::vector<std::string>;

class QueryHistory {
 public:
  explicit QueryHistory(std::uint64_t seed) : random_(seed), store_({.seed = seed, .drives = 6, .drive_bytes = 96ULL << 20}) {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b"));
    EXPECT_TRUE(store_.create_bucket("other"));
  }

  void step() {
    switch (random_() % 15) {
      case 0:
      case 1:
      case 2:
      case 3: put("b"); break;
      case 4: put("other"); break;  // labels of one bucket never leak into another
      case 5: remove(); break;
      case 6:
      case 7: tag(); break;
      case 8: copy(); break;
      case 9: restore(); break;
      case 10:
        if (random_() % 4 == 0) switch_versioning();
        break;
      case 11:
      case 12: annotate(); break;
      case 13: forget_annotation(); break;
      default:
        if (random_() % 10 == 0) store_.reboot();
        else if (random_() % 10 == 0) cut();
    }
  }

  void check() {
    look();
    const std::string text = any_query(3);
    const auto parsed = labels::parse_query(text);
    ASSERT_TRUE(std::holds_alternative<labels::QueryPtr>(parsed)) << text;
    LabelQuery query;
    query.query = std::get<labels::QueryPtr>(parsed);
    Keys expected;
    for (const auto& [key, object] : objects_) {
      if (!asks_quarantined(text) && object.labels.find("rule.quarantined") != nullptr) continue;
      if (labels::holds(*query.query, object.labels, object.facts())) expected.push_back(key);
    }
    check_walk(query, expected, text);
    check_page(query, expected, text);
    auto matches = store_.run(store_.objects().query_matches("b", query));
    ASSERT_TRUE(matches) << text;
    ASSERT_EQ(matches->count, expected.size()) << text << " " << matches->plan;
    check_statistics(query, expected, text);
    // Half of the objects are nobody's business.
    query.readable = [](const ObjectInfo& info) { return info.key.size() % 2 == 0; };
    std::erase_if(expected, [](const std::string& key) { return key.size() % 2 != 0; });
    check_walk(query, expected, text);
    matches = store_.run(store_.objects().query_matches("b", query));
    ASSERT_EQ(matches.value().count, expected.size()) << text;
  }

 private:
  struct Object {
    ObjectInfoPtr info;
    labels::LabelSet labels;

    labels::ObjectFacts facts() const { return {info->key, info->size, info->modified_ms, info->attributes.content_type, info->etag}; }
  };

  std::size_t below(std::size_t bound) { return random_() % bound; }
  template <class T>
  const T& one_of(const std::vector<T>& of) {
    return of[below(of.size())];
  }

  std::string any_key() {
    static const Keys kKeys = {"a", "a/1", "a/2", "a/22", "b/1", "b/x/1", "b/x/22", "c", "d/", "e"};
    return one_of(kKeys);
  }

  NameValues any_tags() {
    static const Keys kNames = {"class", "split", "n", "rule"};
    static const Keys kValues = {"cat", "dog", "cat2", "", "7"};
    std::map<std::string, std::string> tags;
    for (std::size_t i = below(4); i > 0; --i) tags[one_of(kNames)] = one_of(kValues);
    return {tags.begin(), tags.end()};
  }

  void put(const std::string& bucket) {
    PutOptions options;
    options.attributes.content_type = random_() % 2 == 0 ? "text/plain" : "image/png";
    options.attributes.tags = any_tags();
    if (random_() % 3 == 0) options.attributes.user_metadata = {{"camera", std::to_string(below(3))}};
    tests::MemoryBody body(std::string(below(300), 'x'));
    store_.clock().advance_ms(1000);
    const auto stored = store_.run(store_.objects().put({bucket, any_key()}, options, body));
    ASSERT_TRUE(stored || cut_);
  }

  void remove() {
    RemoveRequest request;
    request.key = any_key();
    ASSERT_TRUE(store_.run(store_.objects().remove("b", request)));
  }

  void tag() { [[maybe_unused]] const auto tagged = store_.set_tags({"b", any_key()}, any_tags()); }

  // Payloads whose labels are known by hand.
  struct Payload {
    const char* text;
    const char* leaf;  // below the annotation's name; empty: the name itself. Null: no values
    std::vector<labels::Value> values;
  };
  static const std::vector<Payload>& payloads() {
    static const std::vector<Payload> kPayloads = {
        {"7", "", {labels::Value(7.0)}},
        {"{\"score\":0.5}", ".score", {labels::Value(0.5)}},
        {"{\"score\":[1,200,\"cat\",true]}", ".score",
         {labels::Value(1.0), labels::Value(200.0), labels::Value("cat"), labels::Value(true)}},
        {"{\"class\":\"cat\"}", ".class", {labels::Value("cat")}},
        {"null", nullptr, {}},
        {"dog", "", {labels::Value("dog")}}};
    return kPayloads;
  }

  void annotate() {
    const std::string key = any_key();
    const Payload& payload = one_of(payloads());
    AnnotationPut put;
    put.name = below(2) == 0 ? "truth" : "seen";
    put.payload = payload.text;
    put.md5 = tests::md5_of(put.payload);
    [[maybe_unused]] const auto done = store_.run(store_.objects().put_annotation({"b", key}, {}, put));
  }

  void forget_annotation() {
    const std::string key = any_key();
    AnnotationRemoval removal;
    removal.name = below(2) == 0 ? "truth" : "seen";
    [[maybe_unused]] const auto done = store_.run(store_.objects().remove_annotation({"b", key}, {}, removal));
  }

  // What the annotations of the current version say, asked of the store by name and payload.
  void add_annotations(const std::string& key, labels::LabelSet& labels) {
    for (const std::string name : {"truth", "seen"}) {
      const auto annotated = store_.run(store_.objects().annotation({"b", key}, {}, name));
      if (!annotated) continue;
      labels.add_name(name);
      for (const Payload& payload : payloads()) {
        if (annotated->payload != payload.text || payload.leaf == nullptr) continue;
        for (const labels::Value& value : payload.values) labels.add(name + payload.leaf, value);
      }
    }
  }

  void copy() {
    auto source = store_.run(store_.objects().open({"b", any_key()}));
    if (!source || (*source)->info()->delete_marker) return;
    const auto copied = store_.run(store_.objects().copy(**source, {"b", any_key()}, {}));
    ASSERT_TRUE(copied || copied.error() == Errc::not_found);
  }

  // Removes the newest version of a key: the one before comes back.
  void restore() {
    const std::string key = any_key();
    const auto current = store_.run(store_.objects().head({"b", key}));
    if (!current) return;
    RemoveRequest request;
    request.key = key;
    request.version_id = (*current)->version_id;
    ASSERT_TRUE(store_.run(store_.objects().remove("b", request)));
  }

  void switch_versioning() {
    const Versioning next = random_() % 3 == 0 ? Versioning::suspended : Versioning::enabled;
    ASSERT_TRUE(store_.run(store_.objects().change_bucket("b", [next](BucketInfo& bucket) {
      bucket.versioning = next;
      return success();
    })));
  }

  // Power goes in the middle of some writes.
  void cut() {
    cut_ = true;
    store_.rows().cut_after(below(4));
    for (int i = 0; i < 3; ++i) put("b");
    cut_ = false;
    store_.rows().reboot();
    store_.reboot();
  }

  // What there is, without the index.
  void look() {
    objects_.clear();
    for (const std::string& key : store_.list_keys("b")) {
      const auto info = store_.run(store_.objects().head({"b", key}));
      ASSERT_TRUE(info) << key;
      Object object;
      object.info = *info;
      for (const auto& [name, value] : (*info)->attributes.tags) object.labels.add(name, labels::Value(value));
      for (const auto& [name, value] : (*info)->attributes.user_metadata) {
        object.labels.add("meta." + name, labels::Value(value));
      }
      add_annotations(key, object.labels);
      objects_.emplace(key, std::move(object));
    }
  }

  static bool asks_quarantined(const std::string& text) { return text.find("rule.quarantined") != std::string::npos; }

  std::string any_literal() {
    static const Keys kLiterals = {"'cat'", "'dog'", "'cat2'", "''", "'7'", "7", "TRUE", "'text/plain'", "'a/2'", "100", "0.5", "200"};
    return one_of(kLiterals);
  }
  std::string any_name() {
    static const Keys kNames = {"class", "class", "split", "n", "rule", "meta.camera", "nobody", "truth", "truth.score", "seen.score", "seen", "truth.class", "object.key", "object.type",
                                "object.size", "rule.quarantined"};
    return one_of(kNames);
  }
  std::string any_term() {
    static const Keys kOrders = {"=", "!=", "=", "!="};
    switch (below(8)) {
      case 0: return "EXISTS " + any_name();
      case 1: return any_name() + " IS NULL";
      case 2: return any_name() + (below(2) == 0 ? " IN (" : " NOT IN (") + any_literal() + ", " + any_literal() + ")";
      case 3: return any_name() + (below(2) == 0 ? " LIKE 'ca%'" : " LIKE 'a/%'");
      case 4: return any_name() + " BETWEEN 'cat' AND 'd'";
      case 5: return any_name() + (below(2) == 0 ? " >= 'cat2'" : " BETWEEN 0 AND 7");
      case 6: return any_name() + (below(2) == 0 ? " < 150" : " > 'b'");
      default: return any_name() + " " + one_of(kOrders) + " " + any_literal();
    }
  }
  std::string any_query(int depth) {
    if (depth == 0 || below(4) == 0) return any_term();
    switch (below(3)) {
      case 0: return "NOT (" + any_query(depth - 1) + ")";
      case 1: return "(" + any_query(depth - 1) + " AND " + any_query(depth - 1) + ")";
      default: return "(" + any_query(depth - 1) + " OR " + any_query(depth - 1) + ")";
    }
  }

  void check_walk(const LabelQuery& query, const Keys& expected, const std::string& text) {
    auto walk = store_.run(store_.objects().query_walk("b", query));
    ASSERT_TRUE(walk) << text;
    Keys found;
    while (true) {
      auto matches = store_.run((*walk)->next(1 + below(5)));
      ASSERT_TRUE(matches) << text;
      if (matches->empty()) break;
      for (const QueryMatch& match : *matches) {
        found.push_back(match.info->key);
        ASSERT_EQ(match.labels, objects_.at(match.info->key).labels);
      }
    }
    ASSERT_EQ(found, expected) << text << " " << (*walk)->plan();
  }

  // Pages with and without a delimiter, put together.
  void check_page(const LabelQuery& query, const Keys& expected, const std::string& text) {
    static const Keys kPrefixes = {"", "", "a", "a/", "b/x/", "z"};
    ListOptions options;
    options.prefix = one_of(kPrefixes);
    if (below(2) == 0) options.delimiter = "/";
    if (below(3) == 0) options.after = any_key();
    options.entries_max = static_cast<std::uint32_t>(1 + below(4));
    std::set<std::string> wanted;
    for (const std::string& key : expected) {
      if (!key.starts_with(options.prefix) || key <= options.after) continue;
      const std::size_t at = options.delimiter.empty() ? std::string::npos : key.find('/', options.prefix.size());
      const std::string entry = at == std::string::npos ? key : key.substr(0, at + 1) + "*";
      if (at != std::string::npos && key.substr(0, at + 1) <= options.after) continue;
      wanted.insert(entry);
    }
    std::set<std::string> found;
    while (true) {
      const auto page = store_.run(store_.objects().query_page("b", query, options, nullptr));
      ASSERT_TRUE(page) << text;
      ASSERT_LE(page->objects.size() + page->common_prefixes.size(), options.entries_max);
      for (const auto& object : page->objects) ASSERT_TRUE(found.insert(object->key).second) << text;
      for (const std::string& prefix : page->common_prefixes) ASSERT_TRUE(found.insert(prefix + "*").second) << text;
      if (!page->truncated) break;
      ASSERT_GT(page->next_after, options.after);
      options.after = page->next_after;
    }
    ASSERT_EQ(found, wanted) << text << " prefix=" << options.prefix << " delimiter=" << options.delimiter;
  }

  void check_statistics(const LabelQuery& query, const Keys& expected, const std::string& text) {
    for (const std::string name : {"class", "object.size", "nobody", "truth.score"}) {
      std::map<labels::Value, std::uint64_t> counts;
      std::uint64_t labelled = 0;
      for (const std::string& key : expected) {
        const Object& object = objects_.at(key);
        labels::LabelSet::Values values;
        if (const auto* label = object.labels.find(name)) values = *label;
        if (const auto fact = labels::fact(name, object.facts())) values = {*fact};
        labelled += values.empty() ? 0 : 1;
        for (const labels::Value& value : values) ++counts[value];
      }
      const auto statistics = store_.run(store_.objects().label_statistics("b", name, query));
      ASSERT_TRUE(statistics) << text;
      ASSERT_EQ(statistics->objects, expected.size()) << text;
      ASSERT_EQ(statistics->labelled, labelled) << text;
      ASSERT_EQ(statistics->distinct, counts.size()) << text;
      for (const ValueCount& each : statistics->values) ASSERT_EQ(each.objects, counts.at(each.value)) << text;
    }
  }

  std::mt19937_64 random_;
  tests::SimulatedStore store_;
  std::map<std::string, Object> objects_;
  bool cut_ = false;
};

TEST(Queries, AnswerAsAskingEveryObjectWould) {
  for (int history = 0; history < 6; ++history) {
    const std::uint64_t seed = chosen_seed();
    SCOPED_TRACE("GRANARY_SEED=" + std::to_string(seed));
    QueryHistory run(seed);
    for (int step = 0; step < 150; ++step) {
      run.step();
      run.check();
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace storage
