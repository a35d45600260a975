// Collector: which segment is collected next, and whether writers may hope for space.
#include <algorithm>

#include "storage/base/log.h"
#include "storage/upkeep/collector.h"

namespace storage::upkeep {

using segment::SegmentId;

namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::size_t kPieceHeaderBytes = 28;  // of a directory entry, beside its names
constexpr double kStripeOverhead = 1.01;       // blocks of a full stripe to blocks of its payload
// A segment is collected for what is dead in it, at least this much, or because its bodies were written one
// by one.
constexpr double kLiveFractionMax = 0.97;
constexpr double kSparseShare = 0.9;
// Where a record names bytes that no directory shows, something is wrong that time does not heal.
constexpr std::int64_t kDamagedRetryFactor = 60;

}  // namespace

double Collector::Candidate::share(std::uint64_t live_bytes) const {
  if (survey) return live_fraction(live_bytes) * survey->packed_share;
  return static_cast<double>(live_bytes) / static_cast<double>(capacity_bytes);
}

double Collector::Candidate::live_fraction(std::uint64_t live_bytes) const {
  if (!survey || survey->payload_bytes == 0) return 0;
  return std::min(1.0, static_cast<double>(live_bytes) / static_cast<double>(survey->payload_bytes));
}

std::vector<Collector::Candidate> Collector::candidates() {
  const std::uint64_t zone_bytes = segments_.usage().zone_bytes;
  const std::int64_t now_ns = clock_.monotonic_ns();
  std::vector<Candidate> all;
  std::set<SegmentId> existing;
  for (const segment::SegmentRecord& record : segments_.segments()) {
    existing.insert(record.id);
    if (record.state != segment::SegmentRecord::State::sealed) continue;
    Candidate candidate;
    candidate.id = record.id;
    candidate.capacity_bytes = record.data * (zone_bytes - io::kBlockBytes);
    all.push_back(candidate);
  }
  std::lock_guard lock(mutex_);
  std::erase_if(left_alone_,
                [&](const auto& each) { return each.second <= now_ns || !existing.contains(each.first); });
  std::erase_if(surveys_, [&](const auto& each) { return !existing.contains(each.first); });
  std::erase_if(packed_, [&](SegmentId each) { return !existing.contains(each); });
  std::erase_if(all, [&](const Candidate& each) {
    return busy_.contains(each.id) || evacuated_.contains(each.id) || left_alone_.contains(each.id);
  });
  for (Candidate& each : all) {
    const auto found = surveys_.find(each.id);
    if (found != surveys_.end()) each.survey = found->second;
    each.packed = packed_.contains(each.id);
  }
  sealed_ = all;
  judged_changes_.reset();
  return all;
}

// How much of a segment its survivors may fill for it to be worth collecting now.
double Collector::share_wanted() const {
  const segment::SegmentStore::Usage usage = segments_.usage();
  const std::uint64_t left = usage.segments_left;
  // One more than the reserve is the last that a writer gets.
  if (urgent_.load(std::memory_order_relaxed) || left <= segment::kReservedSegments + 1)
    return options_.live_share_short;
  const std::uint64_t all = usage.segments + left;
  const std::uint64_t watermark = std::min<std::uint64_t>(
      segment::kReservedSegments + std::max<std::uint64_t>(all / options_.watermark_divisor, 1) + 1,
      segment::SegmentStore::kSegmentsLeftMax - 1);
  return left <= watermark ? options_.live_share_low : options_.live_share_always;
}

bool Collector::worthwhile(const Candidate& candidate, double wanted) const {
  const std::uint64_t live = counters_.live_bytes(candidate.id);
  if (candidate.share(live) > wanted) return false;
  if (!candidate.survey || candidate.live_fraction(live) <= kLiveFractionMax) return true;
  // Packing alone gains something once: segments of tiny bodies never look dense, however often they are
  // written again.
  return !candidate.packed && candidate.share(live) <= kSparseShare;
}

// A segment's directories are read once before it is judged by more than its counter.
Task<Result<>> Collector::survey(const Candidate& candidate) {
  const std::vector<segment::SegmentRecord> all = segments_.segments();
  const auto record =
      std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.id == candidate.id; });
  if (record == all.end()) co_return Errc::not_found;
  const std::uint64_t zone_blocks = segments_.usage().zone_bytes / io::kBlockBytes;
  Survey survey;
  double header_bytes = 0;
  std::uint32_t block = 0;
  while (true) {
    Result<std::optional<segment::StripeInfo>> stripe = co_await segments_.next_stripe(candidate.id, block);
    if (!stripe) co_return stripe.error();
    if (!*stripe) break;
    block = (*stripe)->next_block;
    for (const segment::Piece& piece : (*stripe)->pieces) {
      survey.payload_bytes += piece.length;
      header_bytes +=
          static_cast<double>(kPieceHeaderBytes + piece.name.bucket.size() + piece.name.key.size());
    }
    const bool stop = co_await cancelled();
    if (stop) co_return Errc::shutting_down;
  }
  const double payload_blocks =
      static_cast<double>(survey.payload_bytes) / static_cast<double>(record->data * io::kBlockBytes);
  survey.packed_share =
      (payload_blocks * kStripeOverhead + header_bytes / static_cast<double>(io::kBlockBytes)) /
      static_cast<double>(zone_blocks);
  std::lock_guard lock(mutex_);
  surveys_[candidate.id] = survey;
  co_return success();
}

Task<std::optional<Collector::Candidate>> Collector::choose() {
  while (true) {
    const double wanted = share_wanted();
    std::vector<Candidate> all = candidates();
    std::erase_if(
        all, [&](const Candidate& each) { return !worthwhile(each, wanted) || !segments_.settled(each.id); });
    const auto least =
        std::min_element(all.begin(), all.end(), [this](const Candidate& a, const Candidate& b) {
          return a.share(counters_.live_bytes(a.id)) < b.share(counters_.live_bytes(b.id));
        });
    if (least == all.end()) co_return std::nullopt;
    const Candidate chosen = *least;
    // Where nothing is live there is nothing to estimate.
    if (chosen.survey || counters_.live_bytes(chosen.id) == 0) co_return chosen;
    Result<> surveyed = co_await survey(chosen);
    if (surveyed) continue;
    if (surveyed.error() == Errc::shutting_down) co_return std::nullopt;
    leave_alone(chosen.id, surveyed.error());
  }
}

// A segment that could not be collected is not tried again at once.
void Collector::leave_alone(SegmentId segment_id, Error why) {
  std::int64_t duration_ms = options_.retry_ms;
  if (why == Errc::corrupt_data) duration_ms *= kDamagedRetryFactor;
  if (why == Errc::conflict || why == Errc::overloaded) duration_ms = options_.poll_ms;
  log_warn("segment_not_collected",
           {{"segment", segment_id}, {"error", why.message()}, {"again_in_ms", duration_ms}});
  std::lock_guard lock(mutex_);
  left_alone_[segment_id] = clock_.monotonic_ns() + duration_ms * kNsPerMs;
}

// Whether collecting everything that is worth it gives at least one segment more than it takes. Under the
// mutex.
bool Collector::worth_waiting(const std::vector<Candidate>& all) const {
  if (!evacuated_.empty()) return true;
  double gained_segments = 0;
  for (const Candidate& each : all) {
    if (!worthwhile(each, options_.live_share_short)) continue;
    gained_segments += 1 - each.share(counters_.live_bytes(each.id));
  }
  return gained_segments >= 1;
}

// Called by writers without a zone, on their threads.
bool Collector::space_short() {
  urgent_.store(true, std::memory_order_relaxed);
  wanted_.wake();
  std::lock_guard lock(mutex_);
  if (!running_) return false;
  if (!busy_.empty() || !counters_.filled()) return true;
  const std::uint64_t changes = counters_.changes();
  if (!judged_changes_ || *judged_changes_ != changes) {
    worth_waiting_ = worth_waiting(sealed_);
    judged_changes_ = changes;
  }
  return worth_waiting_;
}

}  // namespace storage::upkeep
