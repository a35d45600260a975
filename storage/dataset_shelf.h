// DatasetShelf: what is held in memory of datasets: those that are open, pages of their manifests, and what scans of their labels
// gave. Everything on it is immutable and belongs to a dataset's id, which is never given again.
#pragma once

#include <memory>
#include <string>

#include "storage/memory_shelf.h"
#include "storage/object_store_state.h"
#include "storage/sealed_file.h"

namespace storage {

class DatasetShelf {
 public:
  static constexpr std::size_t kPageBytesMax = 24 * 1024 * 1024;
  static constexpr std::size_t kOpenBytesMax = 24 * 1024 * 1024;
  static constexpr std::size_t kOrderBytesMax = 64 * 1024 * 1024;

  SealedFile::Pages pages{kPageBytesMax};
  MemoryShelf<SealedDataset> open{kOpenBytesMax};        // by id
  MemoryShelf<const void> orders{kOrderBytesMax};        // by id, kind and text
};

// Opens the dataset that the row describes, or takes it from the shelf.
SealedDatasetPtr open_sealed(ObjectStore::State& state, keys::BucketId bucket, std::string bucket_name,
                             const std::string& name, const records::Dataset& row);

DatasetInfo dataset_info(const std::string& bucket, const std::string& name, const records::Dataset& row);

}  // namespace storage
