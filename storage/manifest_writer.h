// ManifestWriter: writes the manifest of one dataset while its samples come, in order, in bounded memory.
//
// Durability  finish() returns when all bytes are durable; nothing names them before the caller commits rows(). Until then pins
//             keep their segments.
// Memory      two buffers of kChunkBytesMax, 16 bytes a sample of a pass over four million of them, a bit a sample; and for an
//             order of its own the keys.
// Threads     one task. Lifetime: the store's state outlives it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "storage/dataset/manifest_row.h"
#include "storage/dataset/sample_facts.h"
#include "storage/object_store_state.h"

namespace storage {

class ManifestWriter {
 public:
  static constexpr std::size_t kChunkBytesMax = 1024 * 1024;

  struct Options {
    std::string bucket;      // as the drives name the pieces, for disasters
    std::string dataset;
    bool own_order = false;  // the samples do not come by key
    std::size_t chunk_bytes = kChunkBytesMax;
  };
  ManifestWriter(ObjectStore::State& state, Options options);

  // The next sample. `record` is the encoded SealedSample.
  Task<Result<>> add(const dataset::SampleFacts& facts, const std::string& record);
  std::uint64_t count() const { return count_; }

  // Ends the files and fills in what they say of themselves. Once.
  Task<Result<>> finish(records::Dataset& dataset);
  // The rows that make the files exist for the dataset.
  void add_rows(const records::Dataset& dataset, metadata::Transaction& transaction, upkeep::LiveChange& change) const;

 private:
  struct File {
    StoredBody body;
    std::string waiting;  // not written yet
    const char* name = "";
  };

  Task<Result<>> append(File& file, std::string_view bytes);
  Task<Result<>> flush(File& file);
  Task<Result<std::string>> read_back(const File& file, std::uint64_t offset, std::uint64_t length);
  Task<Result<>> write_index(records::Dataset& dataset);
  Task<Result<std::vector<std::uint64_t>>> repeated_bases();
  Task<Result<>> hash_pass(std::uint64_t pass, std::uint64_t passes, std::vector<std::uint64_t>& repeated);
  static records::SealedFile describe(const File& file);

  ObjectStore::State& state_;
  Options options_;
  std::size_t chunk_bytes_;
  File rows_;
  File records_;
  File index_;
  dataset::DatasetDigest digest_;
  std::vector<std::pair<std::string, std::uint32_t>> keys_;  // of an order of its own
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t json_lines_ = 0;
  std::uint64_t csv_lines_ = 0;
};

}  // namespace storage
