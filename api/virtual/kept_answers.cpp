#include "api/virtual/kept_answers.h"

#include <atomic>
#include <list>
#include <map>
#include <mutex>
#include <set>

#include "api/ascii.h"
#include "api/conditions.h"
#include "api/digest.h"
#include "api/encoding.h"
#include "api/limits.h"
#include "api/virtual/hidden_bucket.h"
#include "storage/base/log.h"

namespace api {
namespace {

using storage::Errc;
using storage::Result;

// Whose answer to what: a hash, since keys may be long.
std::string name_of(const Call& call) {
  std::string text(call.user().id);
  text.append("\n").append(std::to_string(call.bucket->id)).append("\n").append(call.target.key);
  const Sha256Digest digest = sha256(text);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// Counts and hashes a text on its way, and keeps what went wrong, which the store would make a bare code of.
class Evaluation final : public storage::BodySource {
 public:
  Evaluation(AnswerText& text, std::uint64_t bytes_max) : text_(text), bytes_max_(bytes_max) {}

  // Takes pieces until there are `bytes` of them in hand, or the end.
  Task<Outcome<>> fill(std::size_t bytes) {
    while (!ended_ && pending_.size() - used_ < bytes) {
      const std::size_t before = pending_.size();
      auto more = co_await text_.more(pending_);
      if (!more) co_return more.error();
      ended_ = !*more;
      size_ += pending_.size() - before;
      if (size_ > bytes_max_) {
        co_return Failure(S3Error::invalid_request, "The answer would be larger than " + std::to_string(bytes_max_) +
                                                        " bytes. List the objects page by page instead, with the "
                                                        "query parameter of ListObjectsV2.");
      }
      sha256_.update(bytes_of(std::string_view(pending_).substr(before)));
    }
    co_return done();
  }

  bool ended() const { return ended_; }
  std::string take_all() { return std::move(pending_); }
  std::uint64_t size() const { return size_; }
  // Once ended. The form of a multipart ETag, which no client takes for an MD5.
  std::string etag() { return to_hex(sha256_.finish().substr(0, 20)) + "-1"; }
  const std::optional<Failure>& failure() const { return failure_; }

  Task<Result<std::size_t>> read(std::span<std::byte> into) override {
    if (used_ == pending_.size()) {
      pending_.clear();
      used_ = 0;
      auto filled = co_await fill(1);
      if (!filled) {
        failure_ = filled.error();
        co_return make_error_code(filled.error().error());
      }
    }
    const std::size_t count = std::min(into.size(), pending_.size() - used_);
    if (count > 0) std::memcpy(into.data(), pending_.data() + used_, count);
    used_ += count;
    co_return count;
  }
  std::optional<std::uint64_t> declared_length() const override { return std::nullopt; }
  storage::BodyDigests digests() const override {
    storage::BodyDigests digests;
    digests.md5.assign(16, '\0');  // nobody sees the ETag of what is spooled
    return digests;
  }

 private:
  AnswerText& text_;
  std::uint64_t bytes_max_;
  std::string pending_;
  std::size_t used_ = 0;  // of pending_
  bool ended_ = false;
  std::uint64_t size_ = 0;
  Digest sha256_{Digest::Kind::sha256};
  std::optional<Failure> failure_;
};

}  // namespace

struct KeptAnswers::State {
  struct Entry {
    std::string name;
    KeptAnswerPtr answer;
    std::int64_t used_ms = 0;
  };
  using Entries = std::list<Entry>;  // most recently used first

  storage::ObjectStore& store;
  storage::Clock& clock;
  AnswerLimits limits;
  std::atomic<std::uint64_t> spooled_number{0};

  std::mutex mutex;  // of what follows
  Entries entries;
  std::map<std::pair<std::string, std::string>, Entries::iterator> by_name;  // by name and ETag
  std::size_t memory_bytes = 0;
  std::uint64_t spooled_bytes = 0;
  std::set<std::string> completing;

  State(storage::ObjectStore& object_store, storage::Clock& the_clock, AnswerLimits the_limits)
      : store(object_store), clock(the_clock), limits(the_limits) {}

  std::int64_t now_ms() const { return clock.monotonic_ns() / 1'000'000; }

  void count(const KeptAnswer& answer, int sign) {
    const auto bytes = static_cast<std::int64_t>(answer.info->size) * sign;
    if (answer.text != nullptr) {
      memory_bytes = static_cast<std::size_t>(static_cast<std::int64_t>(memory_bytes) + bytes);
    } else {
      spooled_bytes = static_cast<std::uint64_t>(static_cast<std::int64_t>(spooled_bytes) + bytes);
    }
  }

  // With the lock held: takes the entry out; its spooled bytes are left to the caller.
  void forget(Entries::iterator entry, std::vector<std::string>& spooled) {
    count(*entry->answer, -1);
    if (entry->answer->text == nullptr) spooled.push_back(entry->answer->spooled);
    by_name.erase({entry->name, entry->answer->info->etag});
    entries.erase(entry);
  }

  bool over_bounds() const {
    return entries.size() > limits.answers_max || memory_bytes > limits.memory_bytes_max ||
           spooled_bytes > limits.spooled_bytes_max;
  }

  // What is equal to an answer that is kept already is that one.
  KeptAnswerPtr keep(std::string name, KeptAnswerPtr answer, std::vector<std::string>& spooled) {
    const std::lock_guard lock(mutex);
    const auto known = by_name.find({name, answer->info->etag});
    if (known != by_name.end()) {
      known->second->used_ms = now_ms();
      entries.splice(entries.begin(), entries, known->second);
      if (answer->text == nullptr) spooled.push_back(answer->spooled);
      return known->second->answer;
    }
    entries.push_front({name, answer, now_ms()});
    by_name[{std::move(name), answer->info->etag}] = entries.begin();
    count(*answer, 1);
    // The newest stays, however large it is.
    while (over_bounds() && entries.size() > 1) forget(std::prev(entries.end()), spooled);
    return answer;
  }

  Task<> remove_spooled(std::vector<std::string> keys) {
    for (std::string& key : keys) {
      storage::RemoveRequest request;
      request.key = std::move(key);
      const auto removed = co_await store.remove(std::string(kHiddenBucket), std::move(request));
      // The sweep at the next start takes what is left.
      if (!removed) storage::log_warn("spooled_answer_left", {{"why", removed.error().message()}});
    }
  }

  Task<Outcome<KeptAnswer>> take(Evaluation& evaluation) {
    KeptAnswer answer;
    auto filled = co_await evaluation.fill(kMemoryAnswerBytesMax + 1);
    if (!filled) co_return filled.error();
    if (evaluation.ended() && evaluation.size() <= kMemoryAnswerBytesMax) {
      answer.text = std::make_shared<const std::string>(evaluation.take_all());
      co_return answer;
    }
    auto ready = co_await ensure_hidden_bucket(store);
    if (!ready) co_return ready.error();
    answer.spooled = std::string(kSpoolPrefix) + std::to_string(spooled_number.fetch_add(1));
    storage::ObjectKey key{std::string(kHiddenBucket), answer.spooled};
    storage::PutOptions options;
    const auto put = co_await store.put(std::move(key), std::move(options), evaluation);
    if (!put && evaluation.failure()) co_return *evaluation.failure();
    if (!put) co_return put.error();
    co_return answer;
  }
};

KeptAnswers::KeptAnswers(storage::ObjectStore& store, storage::Clock& clock, AnswerLimits limits)
    : state_(std::make_unique<State>(store, clock, limits)) {}
KeptAnswers::~KeptAnswers() = default;

KeptAnswerPtr KeptAnswers::find(const Call& call) {
  const auto wanted = call.header("if-match");
  if (!wanted || trim(*wanted) == "*") return nullptr;
  const std::string name = name_of(call);
  const std::lock_guard lock(state_->mutex);
  for (auto it = state_->by_name.lower_bound({name, {}}); it != state_->by_name.end() && it->first.first == name; ++it) {
    if (!etag_matches(*wanted, it->first.second)) continue;
    it->second->used_ms = state_->now_ms();
    state_->entries.splice(state_->entries.begin(), state_->entries, it->second);
    return it->second->answer;
  }
  return nullptr;
}

Task<Outcome<KeptAnswerPtr>> KeptAnswers::evaluate(const Call& call, VirtualContent content) {
  // Stands for the memory that the answer takes while it is made.
  const auto memory = co_await state_->store.request_pool().take(kMemoryAnswerBytesMax, kBufferWaitMs);
  if (!memory) co_return memory.error();
  Evaluation evaluation(*content.text, state_->limits.answer_bytes_max);
  auto taken = co_await state_->take(evaluation);
  if (!taken) co_return taken.error();

  auto info = std::make_shared<storage::ObjectInfo>();
  info->key = call.target.key;
  info->size = evaluation.size();
  info->stored_size = info->size;
  info->etag = evaluation.etag();
  // Rounded down as HTTP dates are. An equal answer that is still kept brings its own, earlier time.
  info->modified_ms = call.clock.wall_ms() / 1000 * 1000;
  info->attributes.content_type = content.content_type;
  taken->info = std::move(info);
  taken->headers = std::move(content.headers) + content.text->headers();
  std::vector<std::string> spooled;
  KeptAnswerPtr answer = std::make_shared<const KeptAnswer>(std::move(*taken));
  answer = state_->keep(name_of(call), std::move(answer), spooled);
  co_await state_->remove_spooled(std::move(spooled));
  co_return answer;
}

Task<Result<std::unique_ptr<storage::OpenObject>>> KeptAnswers::open(KeptAnswerPtr answer) {
  storage::ObjectKey key{std::string(kHiddenBucket), answer->spooled};
  co_return co_await state_->store.open(std::move(key));
}

Task<> KeptAnswers::expire() {
  std::vector<std::string> spooled;
  {
    const std::lock_guard lock(state_->mutex);
    const std::int64_t oldest_ms = state_->now_ms() - state_->limits.idle_ms;
    while (!state_->entries.empty() && state_->entries.back().used_ms < oldest_ms) {
      state_->forget(std::prev(state_->entries.end()), spooled);
    }
  }
  co_await state_->remove_spooled(std::move(spooled));
}

bool KeptAnswers::begin_complete(const std::string& place) {
  const std::lock_guard lock(state_->mutex);
  return state_->completing.insert(place).second;
}

void KeptAnswers::end_complete(const std::string& place) {
  const std::lock_guard lock(state_->mutex);
  state_->completing.erase(place);
}

}  // namespace api
