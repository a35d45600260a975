// What a version becomes in a manifest, and back.
#pragma once

#include <string>

#include "storage/records.h"
#include "storage/sealed_dataset.h"

namespace storage {

// `sources`: the version's label sources, wherever they lay. Errors: corrupt_record.
Result<dataset::SampleFacts> sample_facts(const std::string& key, const records::Version& version, const std::string& sources);

// The record of a version: all of it but where its bytes lie.
records::SealedSample sealed_record(const std::string& key, const records::Version& version, const std::string& sources);

Result<SealedSamplePtr> decode_sample(std::uint64_t index, records::SealedSample record);

}  // namespace storage
