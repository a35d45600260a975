#include <gtest/gtest.h>

#include "storage/multipart_digest.h"
#include "tests/support/simulated_store.h"

namespace storage {
namespace {

constexpr std::size_t kPart = 5 * 1024 * 1024;

class MultipartTest : public testing::Test {
 protected:
  MultipartTest() {
    store_.start();
    EXPECT_TRUE(store_.create_bucket("b").has_value());
    upload_ = store_.run(objects().create_upload(key_, UploadOptions{})).value().upload_id;
  }
  ObjectStore& objects() { return store_.objects(); }
  Result<PartInfo> put_part(std::uint32_t number, std::string bytes) {
    tests::MemoryBody body(std::move(bytes));
    return store_.run(objects().put_part(key_, upload_, number, body));
  }
  Result<ObjectInfoPtr> complete(std::vector<CompletedPart> parts, CompleteOptions options = {}) {
    return store_.run(objects().complete_upload(key_, upload_, std::move(parts), std::move(options), &failure_));
  }
  static CompletedPart named(const PartInfo& part) { return {part.number, part.etag, {}}; }
  std::size_t rows_with(char type) {
    return store_.run(store_.rows().scan(metadata::prefix_range(std::string(1, type)), 10'000)).value().entries.size();
  }

  tests::SimulatedStore store_{{.seed = 1, .drives = 6, .drive_bytes = 96ULL << 20}};
  ObjectKey key_{"b", "big"};
  std::string upload_;
  CompleteFailure failure_;
};

TEST_F(MultipartTest, PartsBecomeTheObjectInOrder) {
  const std::string first = tests::random_bytes(1, kPart);
  const std::string last = tests::random_bytes(2, 12'345);
  const PartInfo part7 = put_part(7, last).value();
  const PartInfo part2 = put_part(2, first).value();
  EXPECT_EQ(store_.get("b", "big").substr(0, 1), "<");  // not before Complete
  const ObjectInfoPtr info = complete({named(part2), named(part7)}).value();
  EXPECT_EQ(info->etag, tests::md5_hex_of(tests::md5_of(first) + tests::md5_of(last)) + "-2");
  EXPECT_EQ(info->size, first.size() + last.size());
  EXPECT_TRUE(store_.get("b", "big") == first + last);
  EXPECT_EQ(rows_with('U'), 0u);
  EXPECT_EQ(rows_with('P'), 0u);
  auto object = store_.run(objects().open(key_)).value();
  ASSERT_EQ(object->info()->parts.size(), 2u);
  EXPECT_EQ(object->info()->parts[1].number, 7u);
  const std::uint64_t edge = first.size() - 10;
  EXPECT_EQ(store_.run(tests::read_all(*object, edge, 20)).value(), first.substr(edge) + last.substr(0, 10));
}

TEST_F(MultipartTest, ARepeatedCompleteGivesTheSameAnswerAndWritesNothing) {
  const PartInfo part = put_part(1, "only").value();
  const ObjectInfoPtr info = complete({named(part)}).value();
  ASSERT_TRUE(store_.put("b", "big", "overwritten since").has_value());
  const ObjectInfoPtr again = complete({named(part)}).value();
  EXPECT_EQ(again->etag, info->etag);
  EXPECT_EQ(store_.get("b", "big"), "overwritten since");
  EXPECT_EQ(complete({{1, "0123", {}}}).error(), Errc::upload_not_found);
  store_.clock().advance_ms(8LL * 24 * 3600 * 1000);
  EXPECT_EQ(complete({named(part)}).error(), Errc::upload_not_found);
}

TEST_F(MultipartTest, WhatIsWrongWithACompleteIsNamed) {
  const PartInfo small = put_part(1, "small").value();
  const PartInfo last = put_part(2, "last").value();
  EXPECT_EQ(complete({named(last), named(small)}).error(), Errc::part_order);
  EXPECT_EQ(complete({named(small), named(small)}).error(), Errc::part_order);
  EXPECT_EQ(complete({named(small), {3, last.etag, {}}}).error(), Errc::part_not_found);
  EXPECT_EQ(complete({{1, last.etag, {}}}).error(), Errc::part_not_found);
  EXPECT_EQ(complete({named(small), named(last)}).error(), Errc::part_too_small);
  EXPECT_EQ(failure_.part_number, 1u);
  EXPECT_EQ(failure_.proposed_size, 5u);
  CompleteOptions wrong_size;
  wrong_size.object_size = 99;
  EXPECT_EQ(complete({named(last)}, wrong_size).error(), Errc::size_mismatch);
  EXPECT_TRUE(complete({named(last)}).has_value());  // the upload was alive all the time
}

TEST_F(MultipartTest, AReplacedAndAnUnlistedPartLeaveNoRows) {
  ASSERT_TRUE(put_part(1, tests::random_bytes(1, kPart)).has_value());
  const PartInfo second = put_part(1, "second").value();
  ASSERT_TRUE(put_part(9, "unlisted").has_value());
  ASSERT_TRUE(complete({named(second)}).has_value());
  EXPECT_EQ(store_.get("b", "big"), "second");
  EXPECT_EQ(rows_with('R'), 1u);
  EXPECT_EQ(rows_with('L'), 1u);
  ASSERT_TRUE(store_.remove(key_.bucket, key_.key).has_value());
  EXPECT_EQ(rows_with('R') + rows_with('L') + rows_with('W'), 0u);
}

TEST_F(MultipartTest, AbortEndsTheUpload) {
  const PartInfo part = put_part(1, tests::random_bytes(1, 100'000)).value();
  ASSERT_TRUE(store_.run(objects().abort_upload(key_, upload_)).has_value());
  EXPECT_EQ(store_.run(objects().abort_upload(key_, upload_)).error(), Errc::upload_not_found);
  EXPECT_EQ(complete({named(part)}).error(), Errc::upload_not_found);
  EXPECT_EQ(put_part(2, "x").error(), Errc::upload_not_found);
  EXPECT_EQ(rows_with('P') + rows_with('L') + rows_with('R') + rows_with('U'), 0u);
}

TEST_F(MultipartTest, UploadsSurviveARestart) {
  const std::string bytes = tests::random_bytes(4, 300'000);
  const PartInfo part = put_part(1, bytes).value();
  store_.reboot();
  const PartPage page = store_.run(objects().list_parts(key_, upload_, 0, 10)).value();
  ASSERT_EQ(page.parts.size(), 1u);
  EXPECT_EQ(page.parts[0].etag, part.etag);
  ASSERT_TRUE(complete({named(part)}).has_value());
  EXPECT_TRUE(store_.get("b", "big") == bytes);
}

TEST_F(MultipartTest, UploadsAndPartsAreListedInPages) {
  for (const std::uint32_t number : {1u, 3u, 10u}) ASSERT_TRUE(put_part(number, "x").has_value());
  PartPage parts = store_.run(objects().list_parts(key_, upload_, 1, 1)).value();
  ASSERT_EQ(parts.parts.size(), 1u);
  EXPECT_EQ(parts.parts[0].number, 3u);
  EXPECT_TRUE(parts.truncated);
  parts = store_.run(objects().list_parts(key_, upload_, 3, 1)).value();
  EXPECT_EQ(parts.parts[0].number, 10u);
  EXPECT_FALSE(parts.truncated);

  for (const char* key : {"big", "dir/a", "dir/b", "z"}) {
    store_.clock().advance_ms(1);
    ASSERT_TRUE(store_.run(objects().create_upload({"b", key}, UploadOptions{})).has_value());
  }
  std::vector<std::string> seen;
  UploadListOptions options;
  options.delimiter = "/";
  options.entries_max = 1;
  for (int pages = 0; pages < 10; ++pages) {
    const UploadPage page = store_.run(objects().list_uploads("b", options)).value();
    for (const auto& upload : page.uploads) seen.push_back(upload.key);
    for (const auto& prefix : page.common_prefixes) seen.push_back(prefix);
    if (!page.truncated) break;
    options.key_after = page.next_key;
    options.upload_id_after = page.next_upload_id;
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"big", "big", "dir/", "z"}));
}

TEST_F(MultipartTest, ACopyOfAMultipartObjectKeepsItsParts) {
  const std::string first = tests::random_bytes(1, kPart);
  const PartInfo one = put_part(1, first).value();
  const PartInfo two = put_part(2, "tail").value();
  const ObjectInfoPtr made = complete({named(one), named(two)}).value();
  auto source = store_.run(objects().open(key_)).value();
  const ObjectInfoPtr copied = store_.run(objects().copy(*source, {"b", "copy"}, CopyOptions{})).value();
  EXPECT_EQ(copied->etag, made->etag);
  ASSERT_TRUE(store_.remove(key_.bucket, key_.key).has_value());
  EXPECT_TRUE(store_.get("b", "copy") == first + "tail");
}

TEST(MultipartDigest, CompositeAndFullObjectChecksums) {
  records::Part one;
  records::Part two;
  one.set_size(4);
  two.set_size(5);
  // CRC-32C of "1234" and "56789", joined: the check value of "123456789".
  one.mutable_checksum()->set_algorithm(static_cast<std::uint32_t>(ChecksumAlgorithm::crc32c));
  two.mutable_checksum()->set_algorithm(static_cast<std::uint32_t>(ChecksumAlgorithm::crc32c));
  one.mutable_checksum()->set_value(std::string("\xf6\x3a\xf4\xee", 4));
  two.mutable_checksum()->set_value(std::string("\x83\xb5\x65\xd8", 4));
  const std::vector<const records::Part*> parts{&one, &two};
  auto full = multipart_checksum(parts, ChecksumAlgorithm::crc32c, ChecksumType::full_object);
  ASSERT_TRUE(full.has_value());
  EXPECT_EQ(full->value, std::string("\xe3\x06\x92\x83", 4));
  EXPECT_EQ(multipart_checksum(parts, ChecksumAlgorithm::crc32, ChecksumType::composite).error(),
            Errc::checksum_type_mismatch);
  EXPECT_EQ(multipart_checksum(parts, ChecksumAlgorithm::crc64nvme, ChecksumType::composite).error(),
            Errc::checksum_type_mismatch);
}

}  // namespace
}  // namespace storage
