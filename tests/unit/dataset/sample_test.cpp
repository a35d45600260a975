// What a sample is called in a tar, what is said of it, and the digest of a list of them.
#include <gtest/gtest.h>

#include <set>

#include "storage/dataset/keyed_hash.h"
#include "storage/dataset/manifest_row.h"
#include "storage/dataset/sample_facts.h"
#include "storage/dataset/sample_name.h"

namespace storage::dataset {
namespace {

std::string name_of(std::string_view key) {
  const SampleName name = SampleName::of(key);
  return name.object(std::nullopt);
}

TEST(SampleNameTest, FollowsTheLayoutOfWebDataset) {
  EXPECT_EQ(name_of("train/cat.0001.jpg"), "train/cat_0001.jpg");
  EXPECT_EQ(name_of("a.tar.gz"), "a_tar.gz");
  EXPECT_EQ(name_of("plain"), "plain.bin");
  EXPECT_EQ(name_of("dir.v1/plain"), "dir.v1/plain.bin");
  EXPECT_EQ(name_of("dir/"), "dir/_.bin");
  EXPECT_EQ(name_of("dir/.hidden"), "dir/_.hidden");
  EXPECT_EQ(name_of("ends."), "ends.bin");
  EXPECT_EQ(name_of("/abs/x.png"), "abs/x.png");
  EXPECT_EQ(name_of("//abs/x.png"), "abs/x.png");
  EXPECT_EQ(name_of("a/../../b/./x.png"), "a/__/__/b/_/x.png");
  EXPECT_EQ(name_of(".."), "__.bin");
  EXPECT_EQ(name_of("a/."), "a/_.bin");
  EXPECT_EQ(name_of("/"), "_.bin");
  EXPECT_EQ(name_of("a//b.x"), "a//b.x");
}

TEST(SampleNameTest, LabelsAndSuffixes) {
  const SampleName image = SampleName::of("a/b.jpg");
  EXPECT_EQ(image.labels(std::nullopt), "a/b.json");
  EXPECT_EQ(image.object(7), "a/b~7.jpg");
  EXPECT_EQ(image.labels(7), "a/b~7.json");
  EXPECT_EQ(SampleName::of("a/b.json").labels(std::nullopt), "a/b.labels.json");
  EXPECT_EQ(SampleName::of("a/b.JSON").labels(3), "a/b~3.labels.json");
}

SampleFacts facts() {
  SampleFacts sample;
  sample.key = "a \"quoted\", key.jpg";
  sample.version = "null";
  sample.etag = "0cc175b9c0f1b6a831c399e269772661";
  sample.size = 1;
  sample.content_type = "image/jpeg";
  sample.tags = {{"split", "train"}, {"a", "b"}};
  sample.metadata = {{"patient", "7"}};
  sample.rule_labels.add("class", labels::Value("cat"));
  sample.annotations = {{"truth", "d41d8cd98f00b204e9800998ecf8427e", 13}};
  sample.labels.add("class", labels::Value("cat"));
  sample.labels.add("truth.score", labels::Value(0.5));
  sample.labels.add_name("truth");
  return sample;
}

TEST(SampleFactsTest, LinesOfManifests) {
  EXPECT_EQ(manifest_json_line(3, facts()),
            "{\"index\":3,\"key\":\"a \\\"quoted\\\", key.jpg\",\"version\":\"null\",\"size\":1,"
            "\"etag\":\"0cc175b9c0f1b6a831c399e269772661\",\"labels\":{\"class\":\"cat\",\"truth\":null,\"truth.score\":0.5}}\n");
  EXPECT_EQ(manifest_csv_header(), "index,key,version,size,etag,labels\r\n");
  EXPECT_EQ(manifest_csv_line(3, facts()),
            "3,\"a \"\"quoted\"\", key.jpg\",null,1,0cc175b9c0f1b6a831c399e269772661,"
            "\"{\"\"class\"\":\"\"cat\"\",\"\"truth\"\":null,\"\"truth.score\"\":0.5}\"\r\n");
  EXPECT_EQ(order_line(5, 3, "k"), "{\"position\":5,\"index\":3,\"key\":\"k\"}\n");
}

TEST(SampleFactsTest, LabelsOfASampleHaveTheLengthThatWasPromised) {
  const std::string json = sample_json(facts(), {"{\"score\":0.5}"});
  EXPECT_EQ(json,
            "{\"key\":\"a \\\"quoted\\\", key.jpg\",\"version\":\"null\",\"labels\":{\"class\":\"cat\",\"truth\":null,"
            "\"truth.score\":0.5},\"annotations\":{\"truth\":{\"score\":0.5}},\"tags\":{\"a\":\"b\",\"split\":\"train\"},"
            "\"meta\":{\"patient\":\"7\"}}");
  EXPECT_EQ(json.size(), sample_json_bytes(facts()));
}

std::string digest_of(const std::vector<SampleFacts>& samples) {
  DatasetDigest digest;
  for (const SampleFacts& sample : samples) digest.add(sample);
  std::string text;
  for (const char c : digest.finish()) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

// Part of the format: the same list has the same digest in every version.
TEST(SampleFactsTest, GoldenDigests) {
  EXPECT_EQ(digest_of({}), "e3afca272ed9c4ff693d9628b976f2d5b7a6c207045055ff6ead797959aeafbe");
  EXPECT_EQ(digest_of({facts()}), "221d7a602ff2f68d84ef8b0b479a465d4776825f83e56c78c34103ec800e1ad0");
}

TEST(SampleFactsTest, TheDigestSeesEveryFactAndTheOrder) {
  std::set<std::string> digests{digest_of({facts()})};
  const auto differs = [&](auto change) {
    SampleFacts other = facts();
    change(other);
    EXPECT_TRUE(digests.insert(digest_of({other})).second);
  };
  differs([](SampleFacts& f) { f.key += 'x'; });
  differs([](SampleFacts& f) { f.version = "v"; });
  differs([](SampleFacts& f) { f.etag[0] = 'f'; });
  differs([](SampleFacts& f) { f.size = 2; });
  differs([](SampleFacts& f) { f.content_type = "image/png"; });
  differs([](SampleFacts& f) { f.tags.pop_back(); });
  differs([](SampleFacts& f) { f.metadata[0].second = "8"; });
  differs([](SampleFacts& f) { f.rule_labels.add("class", labels::Value("dog")); });
  differs([](SampleFacts& f) { f.annotations[0].name = "other"; });
  differs([](SampleFacts& f) { f.annotations[0].etag[0] = '0'; });
  SampleFacts sorted = facts();
  std::swap(sorted.tags[0], sorted.tags[1]);
  EXPECT_EQ(digest_of({sorted}), digest_of({facts()}));  // tags are a set
  SampleFacts second = facts();
  second.key = "b";
  EXPECT_NE(digest_of({facts(), second}), digest_of({second, facts()}));
}

TEST(ManifestRowTest, IsReadAsItWasWritten) {
  ManifestRow row;
  row.record_begin = 0x0102030405060708;
  row.record_bytes = 0x11121314;
  row.base_bytes = 0x2122;
  row.extension_bytes = 0x3132;
  row.object_bytes = 0x4142434445464748;
  row.json_bytes = 0x5152535455565758;
  row.base_hash = 0x6162636465666768;
  row.json_lines_end = 0x7172737475767778;
  row.csv_lines_end = 0x8182838485868788;
  row.json_object = true;
  std::string bytes;
  row.append_to(bytes);
  ASSERT_EQ(bytes.size(), kManifestRowBytes);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x01\x00\x01\x00\x14\x13\x12\x11", 8));
  EXPECT_EQ(bytes.substr(56, 8), std::string("\x22\x21\x32\x31\x00\x00\x00\x00", 8));
  ManifestRow read;
  ASSERT_TRUE(read.read(std::as_bytes(std::span(bytes))));
  EXPECT_EQ(read, row);
  bytes[0] = 2;
  EXPECT_FALSE(read.read(std::as_bytes(std::span(bytes))));
}

}  // namespace
}  // namespace storage::dataset
