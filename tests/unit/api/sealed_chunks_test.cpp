// The chunks of encrypted bodies: what is changed, moved or missing does not open; envelopes and keys.
#include "api/sealed_chunks.h"

#include <gtest/gtest.h>

#include <cstring>

#include "api/encoding.h"
#include "api/envelope.h"
#include "api/json_text.h"

namespace {

using api::ChunkOpener;
using api::ChunkSealer;
using api::SecretKey;

SecretKey key_of(char fill) { return *SecretKey::from_bytes(std::string(32, fill)); }

std::vector<std::byte> seal(ChunkSealer& sealer, std::string_view text, bool last) {
  std::vector<std::byte> chunk(text.size() + api::kChunkOverheadBytes);
  std::memcpy(chunk.data() + api::kChunkNonceBytes, text.data(), text.size());
  sealer.seal(chunk, text.size(), last);
  return chunk;
}

bool opens(const SecretKey& key, std::vector<std::byte> chunk, std::uint32_t part, std::uint32_t number, bool last) {
  ChunkOpener opener(key);
  const std::span<std::byte> all(chunk);
  if (!opener.begin(all.first(api::kChunkNonceBytes), part, number, last)) return false;
  const auto text = all.subspan(api::kChunkNonceBytes, chunk.size() - api::kChunkOverheadBytes);
  std::vector<std::byte> plain(text.size());
  const std::size_t half = text.size() / 2;
  opener.update(text.first(half), plain.data());
  opener.update(text.subspan(half), plain.data() + half);
  return opener.finish(all.last(api::kChunkTagBytes));
}

TEST(SealedChunks, AChunkOpensInItsOwnPlaceOnly) {
  const SecretKey key = key_of('k');
  ChunkSealer sealer(key, 3);
  const auto first = seal(sealer, std::string(api::kPlainChunkBytes, 'a'), false);
  const auto second = seal(sealer, "the end", true);
  EXPECT_TRUE(opens(key, first, 3, 0, false));
  EXPECT_TRUE(opens(key, second, 3, 1, true));
  EXPECT_FALSE(opens(key, second, 3, 0, true)) << "moved";
  EXPECT_FALSE(opens(key, first, 4, 0, false)) << "of another part";
  EXPECT_FALSE(opens(key, first, 3, 0, true)) << "as the end: cut off";
  EXPECT_FALSE(opens(key, second, 3, 1, false));
  EXPECT_FALSE(opens(key_of('x'), second, 3, 1, true));
  for (std::size_t i = 0; i < second.size(); ++i) {
    auto changed = second;
    changed[i] ^= std::byte{1};
    EXPECT_FALSE(opens(key, changed, 3, 1, true)) << i;
  }
}

TEST(SealedChunks, TheSameTextIsNeverTheSameTwice) {
  const SecretKey key = key_of('k');
  ChunkSealer one(key, 0);
  ChunkSealer two(key, 0);
  EXPECT_NE(seal(one, "text", true), seal(two, "text", true));
}

TEST(SealedChunks, EveryBodyHasAnEnd) {
  EXPECT_EQ(api::sealed_size(0), api::kChunkOverheadBytes);
  EXPECT_EQ(api::sealed_size(1), 1 + api::kChunkOverheadBytes);
  EXPECT_EQ(api::sealed_size(65'535), 65'535 + api::kChunkOverheadBytes);
  EXPECT_EQ(api::sealed_size(65'536), 65'536 + 2 * api::kChunkOverheadBytes);
}

TEST(Envelope, KeepsADataKeyThatOnlyItsKeyOpens) {
  api::Envelope envelope;
  envelope.kind = api::EncryptionKind::kms;
  envelope.key_id = "a key=with\nsigns";
  envelope.wrapping_key = "name";
  envelope.context = api::to_base64("{}");
  envelope.bucket_key = true;
  const api::BodyKeys keys = envelope.seal(key_of('k'));
  const SecretKey& data_key = *keys.outer;
  EXPECT_FALSE(keys.inner);
  const auto read = api::Envelope::parse(envelope.text());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->key_id, envelope.key_id);
  EXPECT_EQ(read->context, envelope.context);
  EXPECT_TRUE(read->bucket_key);
  EXPECT_EQ(envelope.text().find(std::string(data_key.view())), std::string::npos);
  ASSERT_TRUE(read->open(key_of('k')));
  EXPECT_EQ(read->open(key_of('k'))->outer->view(), data_key.view());
  EXPECT_FALSE(read->open(key_of('x')));
  api::Envelope other = *read;
  other.context = api::to_base64("{\"a\":\"b\"}");
  EXPECT_FALSE(other.open(key_of('k'))) << "another context";
  other = *read;
  other.kind = api::EncryptionKind::store;
  EXPECT_FALSE(other.open(key_of('k'))) << "another kind";
  for (const char* broken : {"", "kind=SSE-S3\n", "kind=none\nwrapped=AAAA\n", "kind=SSE-S3\nwrapped=AAAA\nnew=1\n",
                             "kind=SSE-S3\nwrapped=!\n"}) {
    EXPECT_FALSE(api::Envelope::parse(broken)) << broken;
  }
}

TEST(Envelope, TwoLayersHaveTwoKeysThatCannotBeExchanged) {
  api::Envelope envelope;
  envelope.kind = api::EncryptionKind::kms_double;
  envelope.whole_first = true;
  const api::BodyKeys keys = envelope.seal(key_of('k'));
  ASSERT_TRUE(keys.inner);
  EXPECT_NE(keys.inner->view(), keys.outer->view());
  const auto read = api::Envelope::parse(envelope.text());
  ASSERT_TRUE(read);
  const auto opened = read->open(key_of('k'));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->inner->view(), keys.inner->view());
  EXPECT_EQ(opened->outer->view(), keys.outer->view());
  EXPECT_TRUE(opened->whole_first);
  api::Envelope exchanged = *read;
  std::swap(exchanged.wrapped, exchanged.wrapped_inner);
  EXPECT_FALSE(exchanged.open(key_of('k')));
  api::Envelope halved = *read;
  halved.wrapped_inner.clear();
  EXPECT_FALSE(api::Envelope::parse(halved.text())) << "one layer of two";
}

TEST(SecretKey, TakesExactly32Bytes) {
  EXPECT_FALSE(SecretKey::from_bytes("short"));
  EXPECT_FALSE(SecretKey::from_base64("!!"));
  EXPECT_EQ(SecretKey::from_base64(api::to_base64(std::string(32, 'k')))->view(), std::string(32, 'k'));
  EXPECT_NE(SecretKey::random().view(), SecretKey::random().view());
}

TEST(JsonText, StringMaps) {
  EXPECT_TRUE(api::is_json_string_map("{\"a\":\"b\"}"));
  EXPECT_TRUE(api::is_json_string_map("{}"));
  for (const char* other : {"", "[]", "{\"a\":1}", "{\"a\":{}}", "{", "no"}) EXPECT_FALSE(api::is_json_string_map(other));
}

}  // namespace
