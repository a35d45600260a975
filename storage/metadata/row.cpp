#include "storage/metadata/row.h"

namespace storage::metadata {
namespace {

void append_u64(std::string& bytes, std::uint64_t number) {
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>((number >> (8 * i)) & 0xff);
}

std::uint64_t u64_at(std::string_view bytes, std::size_t at) {
  std::uint64_t number = 0;
  for (std::size_t i = 8; i-- > 0;) number = (number << 8) | static_cast<unsigned char>(bytes[at + i]);
  return number;
}

}  // namespace

std::string pack_row(Revision revision, std::string_view value) {
  std::string stored;
  stored.reserve(8 + value.size());
  append_u64(stored, revision);
  stored += value;
  return stored;
}

Result<Revision> row_revision(std::string_view stored) {
  if (stored.size() < 8) return Errc::corrupt_record;
  return u64_at(stored, 0);
}

Result<Entry> unpack_row(Key key, std::string stored) {
  if (stored.size() < 8) return Errc::corrupt_record;
  const Revision revision = u64_at(stored, 0);
  stored.erase(0, 8);  // moves bytes instead of allocating again
  return Entry{std::move(key), std::move(stored), revision};
}

Key position_key() { return Key(1, kOwnRowByte) + "position"; }

std::string pack_position(const Batch& batch) {
  std::string stored;
  append_u64(stored, batch.previous.epoch);
  append_u64(stored, batch.previous.counter);
  append_u64(stored, batch.position.epoch);
  append_u64(stored, batch.position.counter);
  return stored;
}

Result<Positions> unpack_position(std::string_view stored) {
  if (stored.size() != 32) return Errc::corrupt_record;
  return Positions{{u64_at(stored, 0), u64_at(stored, 8)}, {u64_at(stored, 16), u64_at(stored, 24)}};
}

}  // namespace storage::metadata
