// ShardRebuilder: makes the bytes of lost shards from any k others of the stripe.
//
// Every source is verified by its own header before it is used; one that fails is replaced by another, until
// k good ones are found or none is left; slow drives are asked last, and those that are late are waited for when nobody else
// is left. Errors   Errc::corrupt_data (fewer than k good shards),
// Errc::overloaded (no memory). Memory   one buffer of at most a whole stripe, from the pool given; another one after reads
// that were late.
#pragma once

#include <vector>

#include "storage/segment/shard_reader.h"

namespace storage::segment {

class ShardRebuilder {
 public:
  ShardRebuilder(StoreContext& context, ShardReader& reader) : context_(context), reader_(reader) {}

  struct Request {
    StripeRef stripe;
    std::vector<unsigned> lost;     // ascending, at least one
    std::uint32_t first_block = 0;  // of the payload
    std::uint32_t blocks = 0;
    bool last_resort = true;  // whether it is worth an error in the log when too few sources are left
    bool fresh_headers = false;  // read headers with their directories, not from the cache
  };
  struct Rebuilt {
    ReadMemory memory;               // lost[i]'s range at i * blocks * 4096
    ShardHeaderPtr header;           // of one good source
    std::vector<RangeRead> damaged;  // sources that were found rotten
  };
  Task<Result<Rebuilt>> rebuild(Request request, io::BufferPool& pool);

 private:
  struct Search;
  std::vector<unsigned> candidates(const Request& request) const;
  Task<Result<>> find_sources(const Request& request, Search& search, io::BufferPool& pool);
  Task<Result<>> ask(const Request& request, Search& search, io::BufferPool& pool);
  void decode(const Request& request, const std::vector<RangeRead>& sources, Rebuilt& rebuilt) const;

  StoreContext& context_;
  ShardReader& reader_;
};

}  // namespace storage::segment
