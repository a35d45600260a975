// Versions, delete markers, locks and quotas at the front door of the store.
#include <gtest/gtest.h>

#include <set>

#include "storage/version_id.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

std::string error_text(Errc code) { return "<" + Error(code).message() + ">"; }

class VersionsTest : public testing::Test {
 protected:
  VersionsTest() {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b"));
  }

  void set(Versioning versioning) {
    ASSERT_TRUE(store_.run(store_.objects().change_bucket("b", [versioning](BucketInfo& bucket) {
      bucket.versioning = versioning;
      return success();
    })));
  }

  std::string put(const std::string& key, const std::string& bytes) {
    auto info = store_.put("b", key, bytes);
    EXPECT_TRUE(info) << info.error().message();
    return info ? (*info)->version_id : std::string();
  }

  std::string get(const std::string& key, const std::string& version_id = {}) {
    auto object = store_.run(store_.objects().open({"b", key}, version_id));
    if (!object) return "<" + object.error().message() + ">";
    if ((*object)->info()->delete_marker) return "<marker>";
    return store_.run(tests::read_all(**object, 0, (*object)->info()->size)).value();
  }

  Result<Removed> remove(const std::string& key, const std::string& version_id = {}, bool bypass = false) {
    RemoveRequest request;
    request.key = key;
    request.version_id = version_id;
    request.bypass_governance = bypass;
    return store_.run(store_.objects().remove("b", std::move(request)));
  }

  // "key=id" of each entry, markers with a '!', current ones with a '*'; common prefixes between slashes.
  std::vector<std::string> list(VersionListOptions options = {}) {
    auto page = store_.run(store_.objects().list_versions("b", std::move(options))).value();
    std::vector<std::string> entries;
    for (const auto& info : page.versions) {
      entries.push_back(info->key + "=" + info->version_id + (info->delete_marker ? "!" : "") +
                        (info->current ? "*" : ""));
    }
    for (const std::string& prefix : page.common_prefixes) entries.push_back("/" + prefix + "/");
    return entries;
  }

  std::int64_t counter(char type) {
    auto page = store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 10)).value();
    return metadata::counter_value(page.entries.at(0).value).value();
  }
  std::size_t rows_with(char type) {
    return store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 10'000)).value().entries.size();
  }

  void lock(const std::string& key, const std::string& version_id, Lock lock) {
    const VersionChange change = [lock](const ObjectInfo&, Changeable& next) {
      next.controls.lock = lock;
      return success();
    };
    ASSERT_TRUE(store_.run(store_.objects().change({"b", key}, version_id, change)));
  }

  tests::SimulatedStore store_{{.seed = 1, .drives = 6, .drive_bytes = 96ULL << 20}};
};

using VersionIdTest = testing::Test;

TEST(VersionIdTest, CarriesItsNumberAndNothingElse) {
  std::set<std::string> ids;
  for (std::uint64_t number : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{77}, UINT64_MAX}) {
    const std::string id = new_version_id(number);
    EXPECT_EQ(id.size(), kVersionIdCharacters);
    EXPECT_EQ(id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"), std::string::npos);
    EXPECT_EQ(version_number(id), number);
    EXPECT_TRUE(ids.insert(id).second);
    EXPECT_TRUE(ids.insert(new_version_id(number)).second) << "random";
  }
  EXPECT_FALSE(version_number("null"));
  EXPECT_FALSE(version_number(std::string(32, '-')));
  EXPECT_FALSE(version_number(std::string(33, 'A')));
}

TEST_F(VersionsTest, WithoutVersioningThereIsTheNullVersionOnly) {
  EXPECT_EQ(put("k", "one"), "null");
  EXPECT_EQ(put("k", "two"), "null");
  EXPECT_EQ(get("k", "null"), "two");
  EXPECT_EQ(get("k", new_version_id(1)), error_text(Errc::version_not_found));
  EXPECT_EQ(list(), (std::vector<std::string>{"k=null*"}));
  EXPECT_EQ(counter('C'), 1);
  EXPECT_EQ(counter('E'), 3);
  const Removed removed = remove("k", "null").value();
  EXPECT_FALSE(removed.delete_marker);
  EXPECT_EQ(removed.version_id, "");
  EXPECT_EQ(counter('C'), 0);
  EXPECT_EQ(counter('E'), 0);
  EXPECT_EQ(rows_with('V'), 0u);
}

TEST_F(VersionsTest, EnabledKeepsAllAndDeletesByMarkers) {
  put("k", "null version");
  set(Versioning::enabled);
  const std::string first = put("k", "first");
  const std::string large = tests::random_bytes(1, 1'300'000);
  const std::string second = put("k", large);
  EXPECT_EQ(get("k"), large);
  EXPECT_EQ(get("k", first), "first");
  EXPECT_EQ(get("k", "null"), "null version");
  const Removed removed = remove("k").value();
  EXPECT_TRUE(removed.delete_marker);
  EXPECT_EQ(removed.version_id.size(), kVersionIdCharacters);
  EXPECT_EQ(get("k"), "<marker>");
  EXPECT_TRUE(store_.list_keys("b").empty());
  EXPECT_EQ(list(), (std::vector<std::string>{"k=" + removed.version_id + "!*", "k=" + second, "k=" + first, "k=null"}));
  EXPECT_EQ(counter('C'), 4);
  EXPECT_EQ(counter('E'), 1'300'000 + 5 + 12);
  EXPECT_EQ(store_.run(store_.objects().remove_bucket("b")).error(), Errc::bucket_not_empty);
}

TEST_F(VersionsTest, DeletingTheCurrentVersionBringsTheOneBeforeBack) {
  set(Versioning::enabled);
  const std::string first = put("k", "first");
  const std::string second = put("k", "second");
  const std::string marker = remove("k").value().version_id;
  const Removed unmarked = remove("k", marker).value();
  EXPECT_TRUE(unmarked.delete_marker);
  EXPECT_EQ(unmarked.version_id, marker);
  EXPECT_EQ(get("k"), "second");
  EXPECT_EQ(store_.list_keys("b"), (std::vector<std::string>{"k"}));
  EXPECT_FALSE(remove("k", second).value().delete_marker);
  EXPECT_EQ(get("k"), "first");
  EXPECT_EQ(get("k", second), error_text(Errc::version_not_found));
  const std::string third = put("k", "third");
  EXPECT_EQ(get("k", first), "first");
  EXPECT_TRUE(remove("k", first));
  EXPECT_TRUE(remove("k", third));
  EXPECT_EQ(get("k"), error_text(Errc::not_found));
  for (const char type : {'H', 'V', 'I', 'W', 'R', 'L'}) EXPECT_EQ(rows_with(type), 0u) << type;
  EXPECT_EQ(counter('C'), 0);
  EXPECT_EQ(counter('E'), 0);
  EXPECT_TRUE(store_.run(store_.objects().remove_bucket("b")));
  EXPECT_EQ(rows_with('E'), 0u);
}

TEST_F(VersionsTest, RemovingWhatIsNotThereSucceeds) {
  set(Versioning::enabled);
  const std::string unknown = new_version_id(1);
  const Removed nothing = remove("k", unknown).value();
  EXPECT_EQ(nothing.version_id, unknown);
  EXPECT_FALSE(nothing.delete_marker);
  EXPECT_EQ(rows_with('H'), 0u);
  const Removed marker = remove("k").value();
  EXPECT_TRUE(marker.delete_marker) << "an absent key gets a marker too";
  EXPECT_EQ(list(), (std::vector<std::string>{"k=" + marker.version_id + "!*"}));
  EXPECT_EQ(counter('C'), 1);
}

TEST_F(VersionsTest, SuspendedReplacesTheNullVersionWhereverItIs) {
  put("k", "null one");
  set(Versioning::enabled);
  const std::string first = put("k", "first");
  set(Versioning::suspended);
  EXPECT_EQ(list(), (std::vector<std::string>{"k=" + first + "*", "k=null"}));
  EXPECT_EQ(put("k", "null two"), "null");
  EXPECT_EQ(list(), (std::vector<std::string>{"k=null*", "k=" + first}));
  EXPECT_EQ(get("k", "null"), "null two");
  EXPECT_EQ(put("k", "null three"), "null");
  EXPECT_EQ(list(), (std::vector<std::string>{"k=null*", "k=" + first}));
  const Removed marker = remove("k").value();
  EXPECT_TRUE(marker.delete_marker);
  EXPECT_EQ(marker.version_id, "null");
  EXPECT_EQ(list(), (std::vector<std::string>{"k=null!*", "k=" + first}));
  EXPECT_EQ(get("k", first), "first");
  EXPECT_EQ(counter('E'), 5);
  set(Versioning::enabled);
  const std::string second = put("k", "second");
  EXPECT_EQ(list(), (std::vector<std::string>{"k=" + second + "*", "k=null!", "k=" + first}));
  EXPECT_TRUE(remove("k", "null").value().delete_marker);
  EXPECT_EQ(list(), (std::vector<std::string>{"k=" + second + "*", "k=" + first}));
  EXPECT_EQ(get("k", "null"), error_text(Errc::version_not_found));
}

TEST_F(VersionsTest, AMarkerCountsAsAbsentForConditions) {
  set(Versioning::enabled);
  put("k", "bytes");
  remove("k").value();
  tests::MemoryBody body("new");
  PutOptions only_new;
  only_new.condition.if_none_match_any = true;
  EXPECT_TRUE(store_.run(store_.objects().put({"b", "k"}, only_new, body)));
  remove("k").value();
  tests::MemoryBody again("again");
  PutOptions only_old;
  only_old.condition.if_match = "*";
  EXPECT_EQ(store_.run(store_.objects().put({"b", "k"}, only_old, again)).error(), Errc::not_found);
  const std::size_t before = list().size();
  RemoveRequest request;
  request.key = "k";
  request.condition.if_match = "*";
  EXPECT_TRUE(store_.run(store_.objects().remove("b", request)));
  EXPECT_EQ(list().size(), before) << "nothing matched, so no marker was left";
  request.condition.size = 5;
  EXPECT_EQ(store_.run(store_.objects().remove("b", request)).error(), Errc::precondition_failed);
}

TEST_F(VersionsTest, CopiesAndTagsOfOldVersions) {
  set(Versioning::enabled);
  const std::string large = tests::random_bytes(2, 1'200'000);
  const std::string first = put("k", "first");
  const std::string second = put("k", large);
  put("k", "third");
  for (const auto& [id, bytes] : std::vector<std::pair<std::string, std::string>>{{first, "first"}, {second, large}}) {
    auto source = store_.run(store_.objects().open({"b", "k"}, id)).value();
    EXPECT_EQ(source->info()->version_id, id);
    EXPECT_FALSE(source->info()->current);
    auto copy = store_.run(store_.objects().copy(*source, {"b", "copy"}, CopyOptions{})).value();
    EXPECT_NE(copy->version_id, id);
    EXPECT_TRUE(get("copy") == bytes);
  }
  const VersionChange change = [](const ObjectInfo&, Changeable& next) {
    next.tags = {{"n", "v"}};
    return success();
  };
  auto changed = store_.run(store_.objects().change({"b", "k"}, first, change)).value();
  EXPECT_EQ(changed->attributes.tags.size(), 1u);
  EXPECT_FALSE(changed->current);
  EXPECT_EQ(store_.run(store_.objects().head({"b", "k"}, first)).value()->attributes.tags.size(), 1u);
  EXPECT_TRUE(store_.run(store_.objects().head({"b", "k"})).value()->attributes.tags.empty());
  const std::string marker = remove("k").value().version_id;
  EXPECT_EQ(store_.run(store_.objects().change({"b", "k"}, {}, change)).error(), Errc::not_found);
  EXPECT_EQ(store_.run(store_.objects().change({"b", "k"}, marker, change)).error(), Errc::not_found);
  auto gone = store_.run(store_.objects().open({"b", "k"})).value();
  EXPECT_EQ(store_.run(store_.objects().copy(*gone, {"b", "copy"}, CopyOptions{})).error(), Errc::invalid_argument);
}

TEST_F(VersionsTest, MultipartVersionsKeepTheirParts) {
  set(Versioning::enabled);
  std::vector<std::string> ids;
  std::vector<std::string> bodies;
  for (int round = 0; round < 2; ++round) {
    const ObjectKey name{"b", "k"};
    auto upload = store_.run(store_.objects().create_upload(name, UploadOptions{})).value();
    bodies.push_back(tests::random_bytes(static_cast<std::uint64_t>(round), 300'000));
    tests::MemoryBody body(bodies.back());
    auto part = store_.run(store_.objects().put_part(name, upload.upload_id, 1, body)).value();
    const std::vector<CompletedPart> parts{{1, part.etag, {}}};
    auto info = store_.run(store_.objects().complete_upload(name, upload.upload_id, parts, {}, nullptr)).value();
    ids.push_back(info->version_id);
    // A repeat gives the same answer, and makes no version.
    auto repeat = store_.run(store_.objects().complete_upload(name, upload.upload_id, parts, {}, nullptr)).value();
    EXPECT_EQ(repeat->version_id, info->version_id);
  }
  EXPECT_EQ(list().size(), 2u);
  EXPECT_TRUE(get("k", ids[0]) == bodies[0]);
  EXPECT_EQ(store_.run(store_.objects().head({"b", "k"}, ids[0])).value()->parts.size(), 1u);
  EXPECT_TRUE(remove("k", ids[1]));
  EXPECT_TRUE(get("k") == bodies[0]);
  EXPECT_TRUE(remove("k", ids[0]));
  for (const char type : {'H', 'V', 'W', 'R', 'L'}) EXPECT_EQ(rows_with(type), 0u) << type;
}

TEST_F(VersionsTest, LocksHoldAgainstEveryWayOfRemoving) {
  set(Versioning::enabled);
  const std::string id = put("k", "kept");
  const std::int64_t until = store_.clock().wall_ms() + 60'000;
  lock("k", id, {RetentionMode::governance, until, false});
  EXPECT_EQ(remove("k", id).error(), Errc::object_locked);
  EXPECT_TRUE(remove("k")) << "a marker destroys nothing";
  EXPECT_EQ(remove("k", id).error(), Errc::object_locked) << "nor as an older version";
  std::vector<RemoveRequest> many(2);
  many[0].key = "k";
  many[0].version_id = id;
  many[1].key = "other";
  const auto results = store_.run(store_.objects().remove_many("b", many));
  EXPECT_EQ(results[0].error(), Errc::object_locked);
  EXPECT_TRUE(results[1]);
  lock("k", id, {RetentionMode::compliance, until, false});
  EXPECT_EQ(remove("k", id, true).error(), Errc::object_locked);
  lock("k", id, {RetentionMode::governance, until, true});
  EXPECT_EQ(remove("k", id, true).error(), Errc::object_locked) << "a legal hold knows no bypass";
  lock("k", id, {RetentionMode::compliance, until, false});
  store_.clock().advance_ms(60'000);
  EXPECT_TRUE(remove("k", id)) << "its time is over";
}

TEST_F(VersionsTest, ALockedNullVersionIsNotOverwritten) {
  put("k", "null one");
  set(Versioning::enabled);
  lock("k", "null", {RetentionMode::none, 0, true});
  set(Versioning::suspended);
  EXPECT_EQ(store_.put("b", "k", "two").error(), Errc::object_locked);
  EXPECT_EQ(remove("k").error(), Errc::object_locked);
  set(Versioning::enabled);
  put("k", "on top");
  set(Versioning::suspended);
  EXPECT_EQ(store_.put("b", "k", "two").error(), Errc::object_locked);
  EXPECT_EQ(get("k", "null"), "null one");
}

TEST_F(VersionsTest, BulkRemovalsOfVersions) {
  set(Versioning::enabled);
  std::vector<RemoveRequest> requests;
  for (int i = 0; i < 30; ++i) {
    RemoveRequest request;
    request.key = "k";
    request.version_id = put("k", i % 3 == 0 ? tests::random_bytes(static_cast<std::uint64_t>(i), 1'100'000) : "small");
    requests.push_back(request);
    request.key = "once";
    request.version_id.clear();
    requests.push_back(request);
  }
  const auto results = store_.run(store_.objects().remove_many("b", requests));
  for (std::size_t i = 0; i < results.size(); ++i) {
    ASSERT_TRUE(results[i]) << i << results[i].error().message();
    EXPECT_EQ(results[i]->delete_marker, requests[i].version_id.empty());
  }
  EXPECT_EQ(get("k"), error_text(Errc::not_found));
  EXPECT_EQ(list().size(), 30u) << "a marker for each removal without an id";
  EXPECT_EQ(counter('C'), 30);
  EXPECT_EQ(counter('E'), 0);
  EXPECT_EQ(rows_with('I'), 0u);
}

TEST_F(VersionsTest, ListingsOfVersionsPageExactly) {
  put("a/1", "x");
  put("k", "null");
  set(Versioning::enabled);
  for (const char* key : {"a/1", "a/2", "b", "b", "k", "k", "z"}) put(key, "bytes");
  remove("b").value();
  remove("k").value();
  const std::vector<std::string> all = list();
  ASSERT_EQ(all.size(), 11u);
  for (std::uint32_t limit = 1; limit <= 5; ++limit) {
    std::vector<std::string> paged;
    VersionListOptions options;
    options.entries_max = limit;
    while (true) {
      auto page = store_.run(store_.objects().list_versions("b", options)).value();
      for (const std::string& entry : list(options)) paged.push_back(entry);
      if (!page.truncated) break;
      options.key_after = page.next_key;
      options.version_id_after = page.next_version_id;
      ASSERT_LE(paged.size(), all.size());
    }
    EXPECT_EQ(paged, all) << limit;
  }
  VersionListOptions grouped;
  grouped.delimiter = "/";
  EXPECT_EQ(list(grouped).back(), "/a//");
  EXPECT_EQ(list(grouped).size(), 9u);
  grouped.entries_max = 1;
  auto page = store_.run(store_.objects().list_versions("b", grouped)).value();
  EXPECT_TRUE(page.truncated);
  EXPECT_EQ(page.next_key, "a/");
  EXPECT_EQ(page.next_version_id, "");
  grouped.key_after = page.next_key;
  EXPECT_EQ(list(grouped).front().substr(0, 2), "b=");
  VersionListOptions behind_key;
  behind_key.key_after = "b";
  EXPECT_EQ(list(behind_key).front().substr(0, 2), "k=") << "without a version all of the key is behind";
}

TEST_F(VersionsTest, AListingGoesOnWhereItsVersionWas) {
  set(Versioning::enabled);
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(put("k", "bytes"));
  EXPECT_TRUE(remove("k", ids[3]));
  EXPECT_TRUE(remove("k", ids[1]));
  VersionListOptions options;
  options.key_after = "k";
  options.version_id_after = ids[3];
  EXPECT_EQ(list(options), (std::vector<std::string>{"k=" + ids[2] + "*", "k=" + ids[0]}));
  options.version_id_after = ids[1];
  EXPECT_EQ(list(options), (std::vector<std::string>{"k=" + ids[0]}));
}

TEST_F(VersionsTest, MarkersMakeNoPageShorterAndNoPrefix) {
  set(Versioning::enabled);
  for (int i = 0; i < 50; ++i) {
    const std::string key = "gone/" + std::to_string(i) + "/x";
    put(key, "bytes");
    remove(key).value();
  }
  put("here", "bytes");
  put("hither", "bytes");
  ListOptions options;
  options.entries_max = 1;
  options.delimiter = "/";
  auto page = store_.run(store_.objects().list("b", options)).value();
  ASSERT_EQ(page.objects.size(), 1u);
  EXPECT_EQ(page.objects[0]->key, "here");
  EXPECT_TRUE(page.truncated);
  options.after = page.next_after;
  page = store_.run(store_.objects().list("b", options)).value();
  EXPECT_EQ(page.objects.at(0)->key, "hither");
  EXPECT_FALSE(page.truncated);
}

TEST_F(VersionsTest, QuotasAreExact) {
  ASSERT_TRUE(store_.put("b", "before", "12345"));
  ASSERT_TRUE(store_.run(store_.objects().change_bucket("b", [](BucketInfo& bucket) {
    bucket.quota_bytes = 10;
    bucket.quota_objects = 3;
    return success();
  })));
  EXPECT_EQ(store_.put("b", "k", "123456").error(), Errc::bound_exceeded);
  EXPECT_TRUE(store_.put("b", "k", "12345"));
  EXPECT_TRUE(store_.put("b", "k", "12344")) << "as large as what it replaces";
  EXPECT_EQ(store_.put("b", "k", "123456").error(), Errc::bound_exceeded);
  EXPECT_TRUE(store_.put("b", "empty", ""));
  EXPECT_EQ(store_.put("b", "fourth", "").error(), Errc::bound_exceeded);
  EXPECT_TRUE(store_.remove("b", "before"));
  EXPECT_TRUE(store_.put("b", "fourth", "12345"));
  set(Versioning::enabled);
  EXPECT_EQ(store_.put("b", "empty", "").error(), Errc::bound_exceeded) << "older versions count";
  EXPECT_TRUE(remove("k")) << "a marker is always left";
}

TEST_F(VersionsTest, OldVersionsAreLiveWhereverTheyLie) {
  set(Versioning::enabled);
  std::vector<std::string> ids;
  std::vector<std::string> bodies;
  for (std::uint64_t i = 0; i < 40; ++i) {
    bodies.push_back(tests::random_bytes(i, i % 8 == 0 ? 1'200'000 : 20'000 + i));
    ids.push_back(put("k", bodies.back()));
  }
  for (int round = 0; round < 3; ++round) {
    store_.reboot();
    for (const auto& record : store_.segments().segments()) ASSERT_TRUE(store_.collect(record.id));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ASSERT_TRUE(get("k", ids[i]) == bodies[i]) << i;
    }
    // Half of what is left goes, the current one among it.
    const std::size_t newest = ids.size() - 1;
    for (std::size_t i = ids.size(); i-- > 0;) {
      if (i % 2 == 0 && i != newest) continue;
      ASSERT_TRUE(remove("k", ids[i]));
      ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i));
      bodies.erase(bodies.begin() + static_cast<std::ptrdiff_t>(i));
    }
    EXPECT_TRUE(get("k") == bodies.back());
  }
}

TEST_F(VersionsTest, RenamesKeepBytesPartsAndHolders) {
  const RenameRequest request{"from", "to", [](const ObjectInfo&, const ObjectInfo*) { return success(); }, "token"};
  const std::string large = tests::random_bytes(3, 1'400'000);
  for (const std::string& body : {std::string("small"), large, std::string()}) {
    put("from", body);
    put("to", "replaced");
    auto renamed = store_.run(store_.objects().rename("b", request));
    ASSERT_TRUE(renamed) << renamed.error().message();
    EXPECT_TRUE(get("to") == body);
    EXPECT_EQ(get("from"), error_text(Errc::not_found));
    EXPECT_TRUE(store_.run(store_.objects().rename("b", request))) << "again, with its token";
    EXPECT_EQ(counter('C'), 1);
    EXPECT_EQ(counter('E'), static_cast<std::int64_t>(body.size()));
    store_.reboot();
    for (const auto& record : store_.segments().segments()) ASSERT_TRUE(store_.collect(record.id));
    EXPECT_TRUE(get("to") == body) << "after its bytes have moved";
  }
  put("from", large);
  auto source = store_.run(store_.objects().open({"b", "from"})).value();
  ASSERT_TRUE(store_.run(store_.objects().copy(*source, {"b", "to"}, CopyOptions{})));
  source.reset();
  ASSERT_TRUE(store_.run(store_.objects().rename("b", request))) << "onto a copy of itself";
  EXPECT_TRUE(get("to") == large);
  ASSERT_TRUE(remove("to"));
  for (const char type : {'H', 'L', 'R', 'G', 'W'}) EXPECT_EQ(rows_with(type), 0u) << type;
  RenameRequest refused = request;
  refused.check = [](const ObjectInfo&, const ObjectInfo*) { return Result<>(Errc::precondition_failed); };
  put("from", "stays");
  EXPECT_EQ(store_.run(store_.objects().rename("b", refused)).error(), Errc::precondition_failed);
  EXPECT_EQ(get("from"), "stays");
  set(Versioning::enabled);
  EXPECT_EQ(store_.run(store_.objects().rename("b", request)).error(), Errc::invalid_argument);
}

TEST_F(VersionsTest, AppendsAddPartsAndCopyNothing) {
  const auto append = [&](std::uint64_t offset, const std::string& bytes) {
    tests::MemoryBody body(bytes);
    AppendOptions options;
    options.offset = offset;
    return store_.run(store_.objects().append({"b", "log"}, options, body));
  };
  EXPECT_EQ(append(0, "x").error(), Errc::not_found);
  std::string whole = tests::random_bytes(4, 900'000);
  put("log", whole);
  for (const std::size_t size : {1'300'000u, 10u, 0u, 50'000u}) {
    const std::string more = tests::random_bytes(size, size);
    EXPECT_EQ(append(whole.size() + 1, more).error(), Errc::size_mismatch);
    auto info = append(whole.size(), more);
    ASSERT_TRUE(info) << info.error().message();
    whole += more;
    EXPECT_EQ((*info)->size, whole.size());
    ASSERT_TRUE(get("log") == whole);
  }
  EXPECT_EQ(store_.run(store_.objects().head({"b", "log"})).value()->parts.size(), 5u);
  EXPECT_EQ(counter('E'), static_cast<std::int64_t>(whole.size()));
  store_.reboot();
  for (const auto& record : store_.segments().segments()) ASSERT_TRUE(store_.collect(record.id));
  EXPECT_TRUE(get("log") == whole);
  EXPECT_TRUE(remove("log"));
  for (const char type : {'H', 'L', 'R', 'W'}) EXPECT_EQ(rows_with(type), 0u) << type;
  put("log", "x");
  set(Versioning::suspended);
  EXPECT_EQ(append(1, "y").error(), Errc::invalid_argument);
}

TEST_F(VersionsTest, ObjectLockNeedsVersioningForEver) {
  BucketInfo locked;
  locked.name = "locked";
  locked.object_lock = true;
  EXPECT_EQ(store_.run(store_.objects().create_bucket(locked)).error(), Errc::invalid_argument);
  locked.versioning = Versioning::enabled;
  EXPECT_TRUE(store_.run(store_.objects().create_bucket(locked)));
  const auto suspend = [](BucketInfo& bucket) {
    bucket.versioning = Versioning::suspended;
    return success();
  };
  EXPECT_EQ(store_.run(store_.objects().change_bucket("locked", suspend)).error(), Errc::invalid_argument);
}

TEST_F(VersionsTest, ANumberIsGivenOnce) {
  set(Versioning::enabled);
  put("k", "first");
  const std::string second = put("k", "second");
  ASSERT_TRUE(remove("k", second));
  const std::string third = put("k", "third");
  EXPECT_EQ(version_number(third), version_number(second).value() + 1);
}

TEST_F(VersionsTest, RecordsOfTheCacheStayRight) {
  set(Versioning::enabled);
  const std::string first = put("k", "first");
  EXPECT_EQ(get("k"), "first");
  const std::string second = put("k", "second");
  EXPECT_EQ(get("k"), "second");
  EXPECT_TRUE(remove("k", second));
  EXPECT_EQ(get("k"), "first");
  ASSERT_TRUE(store_.objects().open_cached("b", "k"));
  remove("k").value();
  EXPECT_FALSE(store_.objects().open_cached("b", "k"));
  EXPECT_EQ(get("k"), "<marker>");
  EXPECT_FALSE(store_.objects().open_cached("b", "k")) << "never a marker";
  EXPECT_EQ(get("k", first), "first");
}

}  // namespace
}  // namespace storage
