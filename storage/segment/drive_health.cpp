// DriveSet: drives that are gone, stuck or slow, and that are well again.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/segment/drive_identity.h"
#include "storage/segment/drive_set_state.h"

namespace storage::segment {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kRetryFirstNs = 5 * kNsPerSecond;
constexpr std::int64_t kRetryMaxNs = 300 * kNsPerSecond;

// A drive is slow when its mean answer took this many times as long as the median of the others ...
constexpr std::uint64_t kSlowFactor = 20;
// ... and at least this long, so that the hiccups of fast drives do not count ...
constexpr std::uint64_t kSlowNsMin = 5 * kNsPerMs;
// ... each time that so many of its answers are looked at, so many times in a row.
constexpr std::uint64_t kAnswersMin = 16;
constexpr std::uint32_t kSlowLooks = 3;

constexpr unsigned kProbes = 3;

}  // namespace

OwnedBytes::OwnedBytes(std::size_t size) : memory_(size + io::kBlockBytes) {
  void* aligned = memory_.data();
  std::size_t space = memory_.size();
  CHECK(std::align(io::kBlockBytes, size, aligned, space) != nullptr);
  bytes_ = {static_cast<std::byte*>(aligned), size};
}

Task<Result<>> transfer_within(io::Drive& drive, io::Operation::Kind kind, std::uint64_t offset,
                               std::shared_ptr<OwnedBytes> bytes, std::shared_ptr<io::DriveLoad> load,
                               std::uint32_t limit_ms) {
  io::PatientOperation operation;
  operation.drive = &drive;
  operation.operation = {kind, offset, bytes->span()};
  operation.load = std::move(load);
  io::Patience patience;
  patience.in_all_ms = std::max(limit_ms, 1U);
  co_return co_await io::run_patiently(std::move(operation), patience, std::move(bytes));
}

std::shared_ptr<io::DriveLoad> DriveSet::load(std::uint32_t member) const {
  CHECK(member < state_->members.size());
  return state_->members[member].load;
}

bool DriveSet::read_last(std::uint32_t member) const {
  if (member >= state_->members.size()) return true;
  const State::Member& found = state_->members[member];
  return found.slow.load(std::memory_order_relaxed) || found.load->abandoned() >= kAbandonedMax;
}

void DriveSet::report_late(std::uint32_t member, io::Operation::Kind kind) {
  if (member >= state_->members.size()) return;
  State::Member& late = state_->members[member];
  if (kind == io::Operation::Kind::write) {
    state_->suspect_slow(member, "a write did not end in time");
    return;
  }
  const std::uint32_t reads = late.late_reads.fetch_add(1) + 1;
  if (reads == 1) {
    log_warn("drive_read_late", {{"drive", member}, {"path", state_->path_of(member)}});
    state_->count_late();
  }
  if (all_late()) return;
  if (reads >= kAbandonedMax || late.load->abandoned() >= kAbandonedMax)
    state_->suspect_slow(member, "reads did not end in time");
}

bool DriveSet::all_late() const { return state_->late_members.load(std::memory_order_relaxed) > std::max(parity(), 1U); }

void DriveSet::State::count_late() {
  std::uint32_t count = 0;
  for (std::size_t number = 0; number < members.size(); ++number) {
    if (members[number].slow.load() || members[number].late_reads.load() > 0) ++count;
  }
  late_members.store(count, std::memory_order_relaxed);
}

void DriveSet::State::suspect_slow(std::uint32_t number, const std::string& reason) {
  members[number].slow.store(true);
  count_late();
  degrade(number, DriveStatus::suspect, "slow: " + reason);
}

// Whoever shares an event loop with a drive makes it look slow as much as all others: only ratios count.
void DriveSet::State::judge_speed() {
  const std::size_t count = members.size();
  std::vector<bool> judged(count, false);
  std::vector<bool> slow(count, false);
  for (const io::Operation::Kind kind : {io::Operation::Kind::read, io::Operation::Kind::write}) {
    const auto index = static_cast<std::size_t>(kind);
    std::vector<std::pair<std::uint64_t, std::uint32_t>> means;  // with the member
    for (std::uint32_t number = 0; number < count; ++number) {
      Member& member = members[number];
      const io::DriveLoad::Answers fresh = member.load->take_answers(kind);
      io::DriveLoad::Answers& answers = member.answers[index];
      if (member.status.load() != DriveStatus::alive) {
        answers = {};
        continue;
      }
      answers.count += fresh.count;
      answers.nanoseconds += fresh.nanoseconds;
      if (answers.count < kAnswersMin) continue;
      means.emplace_back(answers.nanoseconds / answers.count, number);
      answers = {};
    }
    if (means.size() < 3) continue;  // of two, nobody can say which is the slow one
    std::sort(means.begin(), means.end());
    const std::uint64_t median = means[(means.size() - 1) / 2].first;
    for (const auto& [mean, number] : means) {
      judged[number] = true;
      if (mean >= kSlowNsMin && mean >= kSlowFactor * median) slow[number] = true;
    }
  }
  for (std::uint32_t number = 0; number < count; ++number) {
    if (!judged[number]) continue;
    members[number].slow_looks = slow[number] ? members[number].slow_looks + 1 : 0;
  }
}

namespace {

// Whether the drive takes and gives back bytes of a block that means nothing.
Task<Result<>> probe(io::Drive& drive, std::uint8_t pattern, std::shared_ptr<io::DriveLoad> load,
                     std::uint32_t limit_ms) {
  const auto written = std::make_shared<OwnedBytes>(io::kBlockBytes);
  const auto read = std::make_shared<OwnedBytes>(io::kBlockBytes);
  std::memset(written->span().data(), pattern, io::kBlockBytes);
  Result<> wrote =
      co_await transfer_within(drive, io::Operation::Kind::write, kScratchOffset, written, load, limit_ms);
  if (!wrote) co_return wrote;
  Result<> back = co_await transfer_within(drive, io::Operation::Kind::read, kScratchOffset, read, load, limit_ms);
  if (!back) co_return back;
  if (std::memcmp(written->span().data(), read->span().data(), io::kBlockBytes) != 0) co_return Errc::corrupt_data;
  co_return success();
}

// How long a probe of `member` may take: in proportion to what a healthy drive takes at this moment.
Task<std::int64_t> probe_allowance_ns(DriveSet& set, DriveSet::State& state, std::uint32_t member) {
  const std::int64_t least_ns = 2 * static_cast<std::int64_t>(kSlowNsMin);
  for (std::uint32_t peer = 0; peer < set.member_count(); ++peer) {
    io::Drive* drive = peer != member && set.status(peer) == DriveStatus::alive ? set.drive(peer) : nullptr;
    if (drive == nullptr) continue;
    const std::int64_t begun_ns = system_clock().monotonic_ns();
    Result<> well = co_await probe(*drive, 0, state.members[peer].load, state.options.limit_ms);
    const std::int64_t taken_ns = system_clock().monotonic_ns() - begun_ns;
    if (well) co_return std::max(least_ns, static_cast<std::int64_t>(kSlowFactor) * taken_ns);
  }
  co_return state.options.limit_ms * kNsPerMs;
}

// Whether a suspect member answers kProbes times in a row, and at its fastest as fast as it should: a busy machine delays
// some answers, a slow drive all of them.
Task<bool> is_well(DriveSet& set, DriveSet::State& state, std::uint32_t number) {
  DriveSet::State::Member& member = state.members[number];
  io::Drive* drive = set.drive(number);
  if (drive == nullptr || member.load->abandoned() > 0) co_return false;
  const bool was_slow = member.slow.load();
  std::int64_t allowance_ns = 0;
  if (was_slow) allowance_ns = co_await probe_allowance_ns(set, state, number);
  std::int64_t fastest_ns = INT64_MAX;
  for (unsigned round = 0; round < kProbes; ++round) {
    const auto pattern = static_cast<std::uint8_t>((member.retry_at_ns >> 20) + round);
    const std::int64_t begun_ns = system_clock().monotonic_ns();
    Result<> well = co_await probe(*drive, pattern, member.load, state.options.limit_ms);
    if (!well) co_return false;
    fastest_ns = std::min(fastest_ns, system_clock().monotonic_ns() - begun_ns);
  }
  co_return !was_slow || fastest_ns <= allowance_ns;
}

Task<> try_again(DriveSet& set, DriveSet::State& state, std::uint32_t member) {
  if (state.members[member].load->abandoned() > 0) co_return;  // it owes answers of before
  if (set.status(member) == DriveStatus::suspect && !co_await is_well(set, state, member)) co_return;
  std::string why;
  Result<> back = co_await set.readmit(member, {}, why);
  if (!back && !means_absent(back.error())) {
    log_warn("drive_not_readmitted", {{"drive", member}, {"reason", why}, {"error", back.error().message()}});
  }
}

}  // namespace

Task<> DriveSet::look(std::int64_t now_ns) {
  const std::uint32_t members = member_count();
  state_->judge_speed();
  for (std::uint32_t number = 0; number < members; ++number) {
    State::Member& member = state_->members[number];
    io::Drive* found = drive(number);
    if (found != nullptr && !found->present())
      state_->degrade(number, DriveStatus::lost, "removed or replaced");
    const std::uint32_t late = member.late_reads.load();
    if (late == member.late_reads_seen) member.late_reads.store(0);
    member.late_reads_seen = member.late_reads.load();
    // A slow drive is better than a store that takes no writes.
    if (member.slow_looks >= kSlowLooks && takes_zones(number) && alive_count() > parity() + 1)
      state_->suspect_slow(number, "it answers much later than the other drives");
    const DriveStatus now = status(number);
    if (now == DriveStatus::alive || now == DriveStatus::retired) {
      // It earns the short pause again by staying well for as long as the last one was.
      if (now_ns >= member.retry_at_ns) member.retry_pause_ns = 0;
      continue;
    }
    member.slow_looks = 0;
    if (member.retry_pause_ns == 0) {
      member.retry_pause_ns = kRetryFirstNs;
      member.retry_at_ns = now_ns + member.retry_pause_ns;
      continue;
    }
    if (now_ns < member.retry_at_ns) continue;
    member.retry_pause_ns = std::min(member.retry_pause_ns * 2, kRetryMaxNs);
    member.retry_at_ns = now_ns + member.retry_pause_ns;
    co_await try_again(*this, *state_, number);
  }
  state_->count_late();
}

}  // namespace storage::segment
