// Stored form of a row: 8 bytes of revision, little-endian, then the value. And the engine's own row: the position.
#pragma once

#include <string>
#include <string_view>

#include "storage/metadata/engine.h"

namespace storage::metadata {

std::string pack_row(Revision revision, std::string_view value);
Result<Revision> row_revision(std::string_view stored);
Result<Entry> unpack_row(Key key, std::string stored);

// The row that every batch writes: its own position and the one before (4 x 8 bytes little-endian, CRC by the engine).
Key position_key();
std::string pack_position(const Batch& batch);
struct Positions {
  Position previous;
  Position position;
};
Result<Positions> unpack_position(std::string_view stored);

// Revisions of an epoch: every epoch starts above all of the one before, so that none is ever used twice.
inline constexpr unsigned kRevisionEpochShift = 40;

}  // namespace storage::metadata
