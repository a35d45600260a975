// KeptAnswers: answers of virtual objects that were evaluated, so that a client may read one by ranges and never a mixture of
// two. Each belongs to one user, bucket and key; its ETag is a hash of its bytes, so two that are equal are one.
//
// Memory    an answer of up to kMemoryAnswerBytesMax stays in memory, at most AnswerLimits::memory_bytes_max of all together; while it is
//           made it holds a buffer of the request pool. Larger ones become objects of the hidden bucket.
// Bounds    AnswerLimits (service.h); what was used longest ago goes first. One that nobody asked for as long as
//           `idle_ms` says goes with the next expire(). A reader keeps what it has opened.
// Threads   any.
// Lifetime  the store and the clock outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "api/virtual/virtual_object.h"

namespace api {

inline constexpr std::size_t kMemoryAnswerBytesMax = 256 * 1024;

struct KeptAnswer {
  storage::ObjectInfoPtr info;              // size, etag, time, content type
  std::shared_ptr<const std::string> text;  // null: spooled
  std::string spooled;                      // its key in the hidden bucket
  std::string headers;
};
using KeptAnswerPtr = std::shared_ptr<const KeptAnswer>;

class KeptAnswers {
 public:
  KeptAnswers(storage::ObjectStore& store, storage::Clock& clock, AnswerLimits limits);
  ~KeptAnswers();

  // The answer that the call's If-Match names, if it is still kept; else null.
  KeptAnswerPtr find(const Call& call);

  // Takes `content.text` to its end and keeps it. Errors: InvalidRequest for one that is too long, SlowDown when memory is
  // short, those of the text and of the store.
  Task<Outcome<KeptAnswerPtr>> evaluate(const Call& call, VirtualContent content);

  // Opens a spooled one. Errors: Errc::not_found if it has gone since.
  Task<storage::Result<std::unique_ptr<storage::OpenObject>>> open(KeptAnswerPtr answer);

  // Drops what nobody wants any more. One task at a time; the caller decides how often.
  Task<> expire();

  // Completes of one virtual object go one after the other. False: one is under way.
  bool begin_complete(const std::string& place);
  void end_complete(const std::string& place);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace api
