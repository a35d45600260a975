// Sealed datasets over the whole storage layer: what they name stays readable whatever becomes of it, and goes when the last that
// names it is dropped.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "storage/dataset/order_parameters.h"
#include "storage/sealed_dataset.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

class DatasetTest : public testing::Test {
 protected:
  DatasetTest() {
    tests::SimulatedStore::Options options;
    options.drives = 4;
    store_ = std::make_unique<tests::SimulatedStore>(options);
    store_->start();
    EXPECT_TRUE(store_->create_bucket("b"));
  }

  ObjectStore& objects() { return store_->objects(); }

  void put(const std::string& key, const std::string& bytes, NameValues tags = {}) {
    tests::MemoryBody body(bytes);
    PutOptions options;
    options.attributes.tags = std::move(tags);
    options.attributes.content_type = "image/jpeg";
    const ObjectKey name{"b", key};
    ASSERT_TRUE(store_->run(objects().put(name, options, body)));
  }

  void set_versioning(Versioning versioning) {
    ASSERT_TRUE(store_->run(objects().change_bucket("b", [versioning](BucketInfo& bucket) {
      bucket.versioning = versioning;
      return success();
    })));
  }

  Result<DatasetInfoPtr> seal(SealRequest request) {
    failure_ = {};
    return store_->run(objects().seal("b", std::move(request), &failure_));
  }
  Result<DatasetInfoPtr> seal(const std::string& name) {
    SealRequest request;
    request.name = name;
    return seal(std::move(request));
  }
  Result<DatasetInfoPtr> seal_keys(const std::string& name, std::vector<std::string> keys) {
    SealRequest request;
    request.name = name;
    request.keys = std::move(keys);
    return seal(std::move(request));
  }
  SealedDatasetPtr open(const std::string& name) { return store_->run(objects().open_dataset("b", name)).value(); }

  std::vector<std::string> keys_of(const std::string& name) {
    std::vector<std::string> keys;
    const SealedDatasetPtr dataset = open(name);
    for (std::uint64_t i = 0; i < dataset->info().count; ++i) keys.push_back(store_->run(dataset->sample(i)).value()->facts.key);
    return keys;
  }

  void sweep_and_collect() {
    ASSERT_TRUE(store_->run(objects().sweep_datasets()));
    for (const auto& record : store_->segments().segments()) {
      const Result<> collected = store_->collect(record.id);
      ASSERT_TRUE(collected) << collected.error().message();
    }
  }

  std::size_t rows(char type) {
    return store_->run(store_->rows().scan(metadata::prefix_range(std::string(1, type)), 1000)).value().entries.size();
  }

  std::unique_ptr<tests::SimulatedStore> store_;
  SealFailure failure_;
};

TEST_F(DatasetTest, SamplesStayAsTheyWereSealed) {
  const std::string large = tests::random_bytes(1, 1'500'000);
  put("a", "first", {{"class", "cat"}});
  put("b/1", large, {{"class", "dog"}});
  put("b/2", "");
  put("c", "third");
  const auto info = seal("d");
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ((*info)->count, 4u);
  EXPECT_EQ((*info)->bytes, 5 + large.size() + 5);
  EXPECT_EQ(keys_of("d"), (std::vector<std::string>{"a", "b/1", "b/2", "c"}));

  put("a", "overwritten", {{"class", "bird"}});
  ASSERT_TRUE(store_->remove("b", "b/1"));
  ASSERT_TRUE(store_->set_tags({"b", "c"}, {{"class", "fish"}}));
  put("b/1", "again");
  sweep_and_collect();
  EXPECT_EQ(store_->get("d.b", "a"), "first");
  EXPECT_EQ(store_->get("d.b", "b/1"), large);
  EXPECT_EQ(store_->get("d.b", "b/2"), "");
  EXPECT_EQ(store_->get("d.b", "c"), "third");
  EXPECT_EQ(store_->get("b", "a"), "overwritten");
  EXPECT_EQ(store_->get("b", "b/1"), "again");
  const auto sealed = store_->run(objects().head({"d.b", "c"})).value();
  EXPECT_TRUE(sealed->attributes.tags.empty());
  const auto sample = store_->run(open("d")->find("b/1")).value();
  EXPECT_EQ(sample->facts.labels.to_json(), "{\"class\":\"dog\"}");
  EXPECT_EQ(sample->info->attributes.content_type, "image/jpeg");

  store_->reboot();
  EXPECT_EQ(store_->get("d.b", "a"), "first");
  EXPECT_EQ(store_->get("d.b", "b/1"), large);
}

TEST_F(DatasetTest, TheLastDropFreesWhatWasKept) {
  const std::string large = tests::random_bytes(2, 1'300'000);
  put("a", large);
  put("small", "x");
  ASSERT_TRUE(seal("one"));
  ASSERT_TRUE(seal("two"));
  ASSERT_TRUE(store_->remove("b", "a"));
  ASSERT_TRUE(store_->remove("b", "small"));
  EXPECT_EQ(rows('k'), 2u);
  ASSERT_TRUE(store_->run(objects().drop_dataset("b", "one")));
  sweep_and_collect();
  EXPECT_EQ(rows('k'), 2u);
  EXPECT_EQ(store_->get("two.b", "a"), large);
  EXPECT_EQ(store_->get("one.b", "a"), "<no such bucket>");
  ASSERT_TRUE(store_->run(objects().drop_dataset("b", "two")));
  EXPECT_EQ(store_->run(objects().drop_dataset("b", "two")).error(), Errc::not_found);
  sweep_and_collect();
  for (const char type : {'k', 'd', 'w', 'i', 'L', 'R', 'G', 'W', 'H'}) EXPECT_EQ(rows(type), 0u) << type;
  EXPECT_TRUE(store_->run(objects().remove_bucket("b")));
}

TEST_F(DatasetTest, OnlyWhatADatasetMayNameIsKept) {
  put("a", "1");
  put("a", "2");
  EXPECT_EQ(rows('k'), 0u);
  ASSERT_TRUE(seal("d"));
  put("a", "3");
  EXPECT_EQ(rows('k'), 1u);
  put("a", "4");  // "3" is younger than the dataset
  ASSERT_TRUE(store_->remove("b", "a"));
  EXPECT_EQ(rows('k'), 1u);
  EXPECT_EQ(store_->get("d.b", "a"), "2");
}

TEST_F(DatasetTest, VersionsGoWhereverTheyGo) {
  set_versioning(Versioning::enabled);
  put("k", "one");
  ASSERT_TRUE(seal("first"));
  put("k", "two");
  ASSERT_TRUE(seal("second"));
  ASSERT_TRUE(store_->remove("b", "k"));  // a marker
  EXPECT_EQ(store_->get("first.b", "k"), "one");
  EXPECT_EQ(store_->get("second.b", "k"), "two");
  const auto page = store_->run(objects().list_versions("b", VersionListOptions{})).value();
  ASSERT_EQ(page.versions.size(), 3u);
  for (const auto& version : page.versions) {
    RemoveRequest request;
    request.key = "k";
    request.version_id = version->version_id;
    ASSERT_TRUE(store_->run(objects().remove("b", request)));
    EXPECT_EQ(store_->get("first.b", "k"), "one");
    EXPECT_EQ(store_->get("second.b", "k"), "two");
  }
  sweep_and_collect();
  EXPECT_EQ(store_->get("first.b", "k"), "one");
  EXPECT_EQ(store_->get("second.b", "k"), "two");
  ASSERT_TRUE(store_->run(objects().drop_dataset("b", "first")));
  sweep_and_collect();
  EXPECT_EQ(rows('k'), 1u);
  EXPECT_EQ(store_->get("second.b", "k"), "two");
}

TEST_F(DatasetTest, MultipartRenameAppendAndCopyKeepWhatIsSealed) {
  const std::string part = tests::random_bytes(3, 200'000);
  const ObjectKey multi{"b", "multi"};
  const auto upload = store_->run(objects().create_upload(multi, UploadOptions{})).value();
  tests::MemoryBody body(part);
  const auto made = store_->run(objects().put_part(multi, upload.upload_id, 1, body)).value();
  ASSERT_TRUE(store_->run(objects().complete_upload(multi, upload.upload_id, {{1, made.etag, {}}}, CompleteOptions{}, nullptr)));
  put("inline", "small");
  put("grows", "begin");
  ASSERT_TRUE(seal("d"));

  const auto rename = [&](const std::string& from, const std::string& to) {
    RenameRequest request;
    request.from = from;
    request.to = to;
    request.check = [](const ObjectInfo&, const ObjectInfo*) { return success(); };
    return store_->run(objects().rename("b", request));
  };
  ASSERT_TRUE(rename("inline", "inline 2"));
  ASSERT_TRUE(rename("multi", "multi 2"));
  AppendOptions append;
  append.offset = 5;
  tests::MemoryBody more(" and more");
  ASSERT_TRUE(store_->run(objects().append({"b", "grows"}, append, more)));
  sweep_and_collect();
  EXPECT_EQ(store_->get("d.b", "inline"), "small");
  EXPECT_EQ(store_->get("d.b", "multi"), part);
  EXPECT_EQ(store_->get("d.b", "grows"), "begin");
  EXPECT_EQ(store_->get("b", "inline 2"), "small");
  EXPECT_EQ(store_->get("b", "multi 2"), part);
  EXPECT_EQ(store_->get("b", "grows"), "begin and more");
  EXPECT_EQ(store_->run(objects().head({"d.b", "multi"})).value()->parts.size(), 1u);

  // A copy out of the dataset.
  for (const char* key : {"multi", "inline"}) {
    auto source = store_->run(objects().open({"d.b", key}));
    ASSERT_TRUE(source);
    ASSERT_TRUE(store_->run(objects().copy(**source, {"b", std::string("copy of ") + key}, CopyOptions{})));
  }
  for (const char* key : {"inline 2", "multi 2", "grows"}) ASSERT_TRUE(store_->remove("b", key));
  sweep_and_collect();
  EXPECT_EQ(store_->get("d.b", "inline"), "small");
  EXPECT_EQ(store_->get("d.b", "multi"), part);
  EXPECT_EQ(store_->get("d.b", "grows"), "begin");
  ASSERT_TRUE(store_->run(objects().drop_dataset("b", "d")));
  sweep_and_collect();
  EXPECT_EQ(rows('k'), 0u);
  EXPECT_EQ(store_->get("b", "copy of multi"), part);
  EXPECT_EQ(store_->get("b", "copy of inline"), "small");
  for (const char* key : {"copy of inline", "copy of multi"}) ASSERT_TRUE(store_->remove("b", key));
  sweep_and_collect();
  for (const char type : {'k', 'L', 'R', 'G', 'W', 'H'}) EXPECT_EQ(rows(type), 0u) << type;
}

TEST_F(DatasetTest, KeysGiveTheOrder) {
  for (const char* key : {"a", "b", "c", "d"}) put(key, key);
  ASSERT_TRUE(seal_keys("d", {"c", "a", "d"}));
  EXPECT_EQ(keys_of("d"), (std::vector<std::string>{"c", "a", "d"}));
  EXPECT_EQ(store_->list_keys("d.b"), (std::vector<std::string>{"a", "c", "d"}));
  EXPECT_EQ(store_->get("d.b", "d"), "d");
  EXPECT_EQ(store_->get("d.b", "b"), "<not found>");
  EXPECT_EQ(seal_keys("e", {"a", "x"}).error(), Errc::invalid_argument);
  EXPECT_EQ(failure_.what, SealFailure::What::missing_key);
  EXPECT_EQ(failure_.text, "x");
  EXPECT_EQ(seal_keys("e", {"a", "b", "a"}).error(), Errc::invalid_argument);
  EXPECT_EQ(failure_.what, SealFailure::What::repeated_key);
  EXPECT_EQ(seal_keys("e", {}).error(), Errc::invalid_argument);
  EXPECT_EQ(failure_.what, SealFailure::What::no_samples);
  EXPECT_EQ(rows('d'), 1u);
  EXPECT_EQ(rows('i'), 0u);
  EXPECT_FALSE(store_->run(objects().bucket("b")).value()->sealing);
  // From a parent: the same list has the same digest.
  SealRequest again;
  again.name = "again";
  again.parent = "d";
  ASSERT_TRUE(seal(again));
  EXPECT_EQ(open("again")->info().digest, open("d")->info().digest);
  EXPECT_EQ(open("again")->info().parents, std::vector<std::string>{"d"});
  again.name = "orphan";
  again.parent = "nobody";
  EXPECT_EQ(seal(again).error(), Errc::not_found);
  EXPECT_EQ(failure_.what, SealFailure::What::no_parent);
}

TEST_F(DatasetTest, AParentGivesItsOwnVersions) {
  put("a", "1", {{"class", "cat"}});
  put("b", "2", {{"class", "dog"}});
  ASSERT_TRUE(seal("all"));
  put("a", "new", {{"class", "dog"}});
  ASSERT_TRUE(store_->remove("b", "b"));
  SealRequest request;
  request.name = "cats";
  request.parent = "all";
  request.judge = [](const ObjectInfo&, const labels::LabelSet& labels) {
    const auto* values = labels.find("class");
    return values != nullptr && values->front() == labels::Value("cat") ? SampleVerdict::take : SampleVerdict::leave;
  };
  ASSERT_TRUE(seal(request));
  EXPECT_EQ(store_->get("cats.b", "a"), "1");
  ASSERT_TRUE(store_->run(objects().drop_dataset("b", "all")));
  sweep_and_collect();
  EXPECT_EQ(store_->get("cats.b", "a"), "1");
  EXPECT_EQ(rows('k'), 1u);
}

TEST_F(DatasetTest, OneStateHasOneDigest) {
  put("a", "1", {{"class", "cat"}});
  put("b", "2");
  const auto one = seal("one").value();
  const auto two = seal("two").value();
  EXPECT_EQ(one->digest, two->digest);
  EXPECT_NE(one->id, two->id);
  ASSERT_TRUE(store_->set_tags({"b", "a"}, {{"class", "dog"}}));
  EXPECT_NE(seal("three").value()->digest, one->digest);
}

TEST_F(DatasetTest, SplitsNeverPartAGroup) {
  for (int i = 0; i < 200; ++i) put("k" + std::to_string(i), "x", {{"writer", "w" + std::to_string(i % 40)}});
  SealRequest request;
  request.name = "d";
  request.splits = {{"train", 0.6}, {"val", 0.2}, {"test", 0.2}, {"none", 0}};
  request.group_by = "writer";
  request.groups = [](const ObjectInfo&, const labels::LabelSet& labels) {
    std::vector<std::string> groups;
    if (const auto* values = labels.find("writer")) {
      for (const labels::Value& value : *values) groups.push_back(value.text());
    }
    return groups;
  };
  const auto sealed = seal(request);
  ASSERT_TRUE(sealed);
  ASSERT_EQ((*sealed)->splits.size(), 4u);
  std::map<std::string, std::set<std::string>> splits_of_writer;
  std::uint64_t total = 0;
  for (const DatasetSplitInfo& split : (*sealed)->splits) {
    const SealedDatasetPtr dataset = open(split.dataset);
    EXPECT_EQ(dataset->info().count, split.count);
    EXPECT_EQ(dataset->info().parents, std::vector<std::string>{"d"});
    total += split.count;
    for (std::uint64_t i = 0; i < split.count; ++i) {
      const auto sample = store_->run(dataset->sample(i)).value();
      splits_of_writer[sample->info->attributes.tags[0].second].insert(split.name);
    }
  }
  EXPECT_EQ(total, 200u);
  for (const auto& [writer, splits] : splits_of_writer) EXPECT_EQ(splits.size(), 1u) << writer;
  EXPECT_EQ(open("d-none")->info().count, 0u);
  EXPECT_EQ(store_->list_keys("d-none.b"), std::vector<std::string>{});
  // The splits are datasets of their own.
  ASSERT_TRUE(store_->run(objects().drop_dataset("b", "d")));
  EXPECT_FALSE(store_->list_keys("d-train.b").empty());
  request.name = "bad";
  request.groups = [](const ObjectInfo&, const labels::LabelSet&) { return std::vector<std::string>{"a", "b"}; };
  EXPECT_EQ(seal(request).error(), Errc::invalid_argument);
  EXPECT_EQ(failure_.what, SealFailure::What::several_groups);
}

TEST_F(DatasetTest, NamesAreTakenOnce) {
  put("a", "1");
  ASSERT_TRUE(store_->create_bucket("taken.b"));
  ASSERT_TRUE(store_->create_bucket("d-train.b"));
  EXPECT_EQ(seal("taken").error(), Errc::conflict);
  EXPECT_EQ(failure_.text, "taken.b");
  SealRequest request;
  request.name = "d";
  request.splits = {{"train", 1}};
  EXPECT_EQ(seal(request).error(), Errc::conflict);
  EXPECT_EQ(rows('d'), 0u);
  ASSERT_TRUE(seal("d"));
  EXPECT_EQ(seal("d").error(), Errc::conflict);
  EXPECT_EQ(failure_.text, "d");
  EXPECT_EQ(store_->create_bucket("d.b").error(), Errc::bucket_exists);
  for (const char* name : {"D", "-d", "d.e", ""}) EXPECT_EQ(seal(name).error(), Errc::invalid_argument) << name;
  EXPECT_EQ(seal(std::string(62, 'x')).error(), Errc::invalid_argument);
  ASSERT_TRUE(seal(std::string(61, 'x')));
  EXPECT_EQ(store_->run(objects().remove_bucket("b")).error(), Errc::bucket_not_empty);
  ASSERT_TRUE(store_->remove("b", "a"));
  EXPECT_EQ(store_->run(objects().remove_bucket("b")).error(), Errc::bucket_not_empty);
  const auto names = store_->run(objects().list_buckets("owner", "", "", 100)).value();
  EXPECT_EQ(names.buckets.size(), 3u);  // no datasets
}

TEST_F(DatasetTest, NothingInItCanBeWritten) {
  put("a", "1");
  ASSERT_TRUE(seal("d"));
  tests::MemoryBody body("x");
  EXPECT_EQ(store_->run(objects().put({"d.b", "a"}, PutOptions{}, body)).error(), Errc::dataset_bucket);
  EXPECT_EQ(store_->remove("d.b", "a").error(), Errc::dataset_bucket);
  EXPECT_EQ(store_->set_tags({"d.b", "a"}, {}).error(), Errc::dataset_bucket);
  EXPECT_EQ(store_->run(objects().remove_bucket("d.b")).error(), Errc::dataset_bucket);
  EXPECT_EQ(store_->run(objects().create_upload({"d.b", "a"}, UploadOptions{})).error(), Errc::dataset_bucket);
  EXPECT_EQ(store_->run(objects().remove_many("d.b", {RemoveRequest{}}))[0].error(), Errc::dataset_bucket);
  const auto bucket = store_->run(objects().bucket("d.b")).value();
  EXPECT_EQ(bucket->owner_id, "owner");
  EXPECT_EQ(bucket->dataset_bucket, "b");
  EXPECT_EQ(store_->get("d.b", "a"), "1");
}

TEST_F(DatasetTest, ListsLikeABucket) {
  for (const char* key : {"a", "dir/1", "dir/2", "dir/sub/3", "e", "f"}) put(key, key);
  ASSERT_TRUE(seal("sorted"));
  ASSERT_TRUE(seal_keys("shuffled", {"f", "dir/2", "a", "dir/sub/3", "e", "dir/1"}));
  for (const char* bucket : {"sorted.b", "shuffled.b"}) {
    for (const char* prefix : {"", "d", "dir/", "dir/s", "x"}) {
      for (const char* delimiter : {"", "/", "i"}) {
        for (const std::uint32_t limit : {1u, 2u, 1000u}) {
          for (const char* after : {"", "a", "dir/", "dir/1", "z"}) {
            ListOptions options;
            options.prefix = prefix;
            options.delimiter = delimiter;
            options.after = after;
            options.entries_max = limit;
            const auto expected = store_->run(objects().list("b", options)).value();
            const auto page = store_->run(objects().list(bucket, options)).value();
            const auto keys = [](const ObjectPage& of) {
              std::vector<std::string> names;
              for (const auto& object : of.objects) names.push_back(object->key);
              return names;
            };
            ASSERT_EQ(keys(page), keys(expected));
            ASSERT_EQ(page.common_prefixes, expected.common_prefixes);
            ASSERT_EQ(page.truncated, expected.truncated);
            ASSERT_EQ(page.next_after, expected.next_after);
          }
        }
      }
    }
  }
}

TEST_F(DatasetTest, OrdersPermuteFilterAndDraw) {
  for (int i = 0; i < 300; ++i) put("k" + std::to_string(i), "x", {{"class", i % 10 == 0 ? "rare" : "common"}});
  ASSERT_TRUE(seal("d"));
  const SealedDatasetPtr dataset = open("d");
  const auto order_of = [&](const std::string& text, SampleJudge judge = {}) {
    const auto parsed = dataset::parse_order(text, dataset::OrderUse::order);
    EXPECT_EQ(parsed.error, "");
    return store_->run(objects().epoch_order(dataset, parsed.parameters, std::move(judge)));
  };
  const auto values = [](const EpochOrderPtr& order) {
    std::vector<std::uint64_t> indices;
    for (std::uint64_t p = 0; p < order->positions(); ++p) indices.push_back(order->index_at(p));
    return indices;
  };
  const auto random = values(order_of("seed=1").value());
  EXPECT_EQ(std::set<std::uint64_t>(random.begin(), random.end()).size(), 300u);
  EXPECT_NE(random, values(order_of("seed=2").value()));
  EXPECT_EQ(random, values(order_of("seed=1,size=7").value()));
  const auto sealed = values(order_of("order=sealed").value());
  EXPECT_TRUE(std::is_sorted(sealed.begin(), sealed.end()));
  const SampleJudge rare = [](const ObjectInfo&, const labels::LabelSet& labels) {
    return labels.find("class")->front() == labels::Value("rare") ? SampleVerdict::take : SampleVerdict::leave;
  };
  const auto filtered = values(order_of("seed=1,query=x", rare).value());
  EXPECT_EQ(filtered.size(), 30u);
  for (const std::uint64_t index : filtered) {
    EXPECT_EQ(store_->run(dataset->sample(index)).value()->info->attributes.tags[0].second, "rare");
  }
  const auto balanced = values(order_of("balance=class").value());
  ASSERT_EQ(balanced.size(), 300u);
  int drawn_rare = 0;
  for (const std::uint64_t index : balanced) {
    drawn_rare += store_->run(dataset->sample(index)).value()->info->attributes.tags[0].second == "rare";
  }
  EXPECT_NEAR(drawn_rare, 150, 45);
  EXPECT_EQ(order_of("balance=nothing").error(), Errc::invalid_argument);
  EXPECT_EQ(order_of("weight=class").error(), Errc::invalid_argument);
}

TEST_F(DatasetTest, NamesThatAreNotUniqueAreKnown) {
  for (const char* key : {"a.jpg", "a.png", "b.jpg", "x.y.jpg", "x_y.png", "/z.jpg", "z.jpg"}) put(key, key);
  ASSERT_TRUE(seal("d"));
  const SealedDatasetPtr dataset = open("d");
  std::set<std::string> repeated;
  for (std::uint64_t i = 0; i < dataset->info().count; ++i) {
    if (*store_->run(dataset->repeated_base(i))) repeated.insert(store_->run(dataset->sample(i)).value()->facts.key);
  }
  EXPECT_EQ(repeated, (std::set<std::string>{"a.jpg", "a.png", "x.y.jpg", "x_y.png", "/z.jpg", "z.jpg"}));
}

TEST_F(DatasetTest, AnnotationsStayAsTheyWereSealed) {
  const auto annotate = [&](const std::string& key, const std::string& name, const std::string& payload) {
    AnnotationPut put;
    put.name = name;
    put.payload = payload;
    put.md5 = tests::md5_of(payload);
    return store_->run(objects().put_annotation({"b", key}, {}, std::move(put))).has_value();
  };
  const std::string large = '"' + std::string(600'000, 'x') + '"';
  put("k", "body");
  ASSERT_TRUE(annotate("k", "truth", "{\"class\": \"cat\"}"));
  ASSERT_TRUE(annotate("k", "embedding", large));
  ASSERT_TRUE(annotate("k", "caption", "not JSON"));
  ASSERT_TRUE(seal("d"));
  // Relabelled, unlabelled, renamed away and deleted.
  ASSERT_TRUE(annotate("k", "truth", "{\"class\": \"dog\"}"));
  AnnotationRemoval removal;
  removal.name = "embedding";
  ASSERT_TRUE(store_->run(objects().remove_annotation({"b", "k"}, {}, removal)));
  EXPECT_EQ(rows('a'), 2u);
  RenameRequest rename;
  rename.from = "k";
  rename.to = "k2";
  rename.check = [](const ObjectInfo&, const ObjectInfo*) { return success(); };
  ASSERT_TRUE(store_->run(objects().rename("b", rename)));
  EXPECT_EQ(store_->run(objects().annotation({"b", "k2"}, {}, "truth")).value().payload, "{\"class\": \"dog\"}");
  ASSERT_TRUE(store_->remove("b", "k2"));
  sweep_and_collect();
  store_->reboot();
  const SealedDatasetPtr dataset = open("d");
  const auto sample = store_->run(dataset->sample(0)).value();
  ASSERT_EQ(sample->facts.annotations.size(), 3u);
  EXPECT_EQ(store_->run(dataset->payload_json(sample, 0)).value(), "\"not JSON\"");
  EXPECT_EQ(store_->run(dataset->payload_json(sample, 1)).value(), large);
  EXPECT_EQ(store_->run(dataset->payload_json(sample, 2)).value(), "{\"class\": \"cat\"}");
  EXPECT_EQ(sample->facts.labels.find("truth.class")->front(), labels::Value("cat"));
  EXPECT_EQ(store_->run(objects().annotation({"d.b", "k"}, {}, "truth")).value().payload, "{\"class\": \"cat\"}");
  EXPECT_EQ(store_->run(objects().list_annotations({"d.b", "k"}, {}, {}, {}, 10)).value().annotations.size(), 3u);
  // A copy out of the dataset takes them along.
  auto source = store_->run(objects().open({"d.b", "k"}));
  ASSERT_TRUE(source);
  ASSERT_TRUE(store_->run(objects().copy(**source, {"b", "copy"}, CopyOptions{})));
  EXPECT_EQ(store_->run(objects().annotation({"b", "copy"}, {}, "truth")).value().payload, "{\"class\": \"cat\"}");
  source = Errc::not_found;  // it pins what it reads
  ASSERT_TRUE(store_->remove("b", "copy"));
  ASSERT_TRUE(store_->run(objects().drop_dataset("b", "d")));
  sweep_and_collect();
  for (const char type : {'a', 'k', 'J', 'X', 'L', 'R', 'G'}) EXPECT_EQ(rows(type), 0u) << type;
}

// Writers that overwrite and delete while a seal reads: the dataset is the bucket at one instant, and all of it can be read.
TEST_F(DatasetTest, IsOneInstantUnderConcurrentWrites) {
  for (int round = 0; round < 20; ++round) {
    const std::string name = "d" + std::to_string(round);
    // Two keys are always written one after the other: a seal must never see the second without the first.
    put("left", std::to_string(round));
    put("right", std::to_string(round));
    bool sealed = false;
    Result<DatasetInfoPtr> info = Errc::not_found;
    struct Sealer {
      static Task<> run(ObjectStore& store, std::string dataset, Result<DatasetInfoPtr>& into, bool& done) {
        SealRequest request;
        request.name = std::move(dataset);
        into = co_await store.seal("b", std::move(request), nullptr);
        done = true;
      }
    };
    TaskGroup group;
    group.spawn(store_->context().get_executor(), Sealer::run(objects(), name, info, sealed));
    for (int i = 0; i < round; ++i) store_->context().poll_one();
    for (int i = 1; !sealed && i < 50; ++i) {
      put("left", std::to_string(round) + "." + std::to_string(i));
      put("right", std::to_string(round) + "." + std::to_string(i));
      ASSERT_TRUE(store_->remove("b", "gone"));
      put("gone", "x");
    }
    ASSERT_TRUE(store_->run_until([&] { return sealed; }));
    store_->run(group.join());
    ASSERT_TRUE(info) << info.error().message();
    const std::string left = store_->get(name + ".b", "left");
    const std::string right = store_->get(name + ".b", "right");
    const auto step = [](const std::string& text) {
      const std::size_t dot = text.find('.');
      return dot == std::string::npos ? 0 : std::stoi(text.substr(dot + 1));
    };
    ASSERT_TRUE(step(left) == step(right) || step(left) == step(right) + 1) << left << " and " << right;
    for (const std::string& key : store_->list_keys(name + ".b")) {
      const std::string bytes = store_->get(name + ".b", key);
      ASSERT_FALSE(bytes.starts_with('<')) << key << bytes;
      ASSERT_EQ(store_->run(objects().head({name + ".b", key})).value()->etag, tests::md5_hex_of(bytes));
    }
  }
  sweep_and_collect();
  for (int round = 0; round < 20; ++round) {
    for (const std::string& key : store_->list_keys("d" + std::to_string(round) + ".b")) {
      ASSERT_FALSE(store_->get("d" + std::to_string(round) + ".b", key).starts_with('<'));
    }
  }
}

}  // namespace
}  // namespace storage
