// How many files the process may have open, and how many of them connections may be.
#pragma once

#include <cstdint>

namespace server {

// Raises the soft limit of open files to the hard one; returns what is in force then.
std::uint64_t raise_file_limit();

// Files that the process has open now.
std::uint64_t open_files();

// How many connections fit into `limit` files when `open` are in use before the first one. The rest is for drives and
// metadata, which open files while the store runs. 0: too few for any service.
unsigned connections_within(std::uint64_t limit, std::uint64_t open, std::size_t drives, unsigned wanted);

}  // namespace server
