// LabelStreams: streams of labels on their way into annotations, `.granary/labels/NAME`.
//
// A stream is durable, as an object of the hidden bucket, and has a row of its own before its first line is applied. Each batch of
// lines is one transaction together with the row that says how far the stream is: a restart goes on there, and no line is
// applied twice. One task at a time drives a stream; a PUT drives its own for a while, keep() whatever is left.
//
// Bounds    a batch: kLinesPerBatch lines or about 1 MiB of payloads; errors told of: kErrorsMax.
// Threads   any. Lifetime: the store and the clock outlive it.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <optional>
#include <utility>
#include <vector>

#include "api/error_table.h"
#include "storage/base/signal.h"
#include "storage/object_store.h"

namespace api {

inline constexpr std::string_view kStreamPrefix = "labels/";  // in the hidden bucket
inline constexpr std::string_view kStreamTable = "label-streams";

struct LabelStream {
  std::string name;         // the annotation's
  std::string bucket;
  std::uint64_t bucket_id = 0;
  std::string object;       // its bytes, a key of the hidden bucket
  std::string etag;
  std::uint64_t size = 0;
  bool csv = false;
  bool done = false;
  std::uint64_t offset = 0;  // of the first line that is not dealt with
  std::uint64_t line = 1;    // its number
  std::uint64_t lines = 0;
  std::uint64_t applied = 0;
  std::uint64_t pending = 0;
  std::uint64_t rejected = 0;
  std::vector<std::pair<std::uint64_t, std::string>> errors;  // line and reason, the first of them
  std::int64_t modified_ms = 0;

  std::string report() const;  // the answer of a GET
  std::string text() const;    // as its row keeps it
  static std::optional<LabelStream> parse(std::string_view text);
};

class LabelStreams {
 public:
  static constexpr std::size_t kErrorsMax = 1000;
  static constexpr std::size_t kLinesPerBatch = 512;

  LabelStreams(storage::ObjectStore& store, storage::Clock& clock) : store_(store), clock_(clock) {}

  static std::string row_name(std::uint64_t bucket_id, std::string_view name);
  // not_found.
  storage::Task<storage::Result<LabelStream>> find(std::string row);
  // Makes `stream` the one of its name, or says which runs already (with the same bytes or others).
  storage::Task<storage::Result<LabelStream>> begin(LabelStream stream);
  // Applies lines until the stream is done, or `wait_ms` have passed. Waits for whoever drives it already.
  storage::Task<storage::Result<LabelStream>> drive(std::string row, std::int64_t wait_ms);
  // Removes bytes that no unfinished stream names. Once, before the first call.
  storage::Task<storage::Result<>> sweep();
  // Goes on with all that a restart or an impatient client left, a while each.
  storage::Task<> keep();

 private:
  struct Batch;
  storage::Task<storage::Result<LabelStream>> advance(std::string row, std::int64_t until_ms);
  storage::Task<storage::Result<>> save(const std::string& row, const LabelStream& stream);
  bool claim(const std::string& row);
  void release(const std::string& row);

  storage::ObjectStore& store_;
  storage::Clock& clock_;
  storage::Signal changed_;  // a driver let go
  std::mutex mutex_;
  std::set<std::string> driven_;
};

}  // namespace api
