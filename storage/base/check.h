// CHECK(x): an invariant whose violation would corrupt data or answer wrongly. Always on, one condition
// each; prints the place and the condition, then aborts. Never for input from clients or drives: those
// get an Errc. assert() is for hot loops.
#pragma once

namespace storage {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace storage

#define CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::storage::check_failed(#condition, __FILE__, __LINE__))
