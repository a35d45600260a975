#include "storage/metadata/metadata_store.h"

namespace storage::metadata {

KeyRange prefix_range(Key prefix) {
  Key end = prefix;
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return {std::move(prefix), std::move(end)};
}

Result<std::int64_t> counter_value(const Value& value) {
  if (value.size() != 8) return Errc::corrupt_record;
  std::uint64_t bits = 0;
  for (std::size_t i = 8; i-- > 0;) bits = (bits << 8) | static_cast<unsigned char>(value[i]);
  return static_cast<std::int64_t>(bits);
}

Value counter_bytes(std::int64_t value) {
  auto bits = static_cast<std::uint64_t>(value);
  Value bytes(8, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(bits & 0xff);
    bits >>= 8;
  }
  return bytes;
}

Result<> check_size(const Transaction& transaction) {
  std::size_t total = 0;
  const auto count = [&total](const Key& key) {
    total += key.size() + 16;
    return !key.empty() && key.size() <= kMaxKeyBytes;
  };
  for (const auto& each : transaction.preconditions) {
    if (!count(each.key)) return Errc::invalid_argument;
  }
  for (const auto& each : transaction.puts) {
    if (!count(each.key)) return Errc::invalid_argument;
    if (each.value.size() > kMaxValueBytes) return Errc::too_large;
    total += each.value.size();
  }
  for (const auto& each : transaction.removes) {
    if (!count(each)) return Errc::invalid_argument;
  }
  for (const auto& each : transaction.adds) {
    if (!count(each.key)) return Errc::invalid_argument;
  }
  if (total > kMaxTransactionBytes) return Errc::too_large;
  return success();
}

Result<std::int64_t> add_within(std::int64_t value, const Transaction::Add& add) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(value, add.delta, &sum)) return Errc::bound_exceeded;
  if (sum < add.lowest || sum > add.highest) return Errc::bound_exceeded;
  return sum;
}

}  // namespace storage::metadata
