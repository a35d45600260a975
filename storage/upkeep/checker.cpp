#include "storage/upkeep/checker.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/base/log.h"
#include "storage/segment/segment_upkeep.h"

namespace storage::upkeep {

namespace {

constexpr std::uint32_t kRowsAPage = 2'000;

bool in_order(const segment::Extent& a, const segment::Extent& b) {
  return std::tie(a.stripe_block, a.begin) < std::tie(b.stripe_block, b.begin);
}

std::string place_text(const segment::Extent& extent) {
  return fmt::format("segment {}, block {}, bytes {} to {}", extent.segment, extent.stripe_block, extent.begin,
                     std::uint64_t{extent.begin} + extent.length);
}

// The extents of one stripe: [first, last) of the sorted ones.
std::pair<std::size_t, std::size_t> of_stripe(const std::vector<segment::Extent>& extents, std::uint32_t block) {
  const auto before = [](const segment::Extent& extent, std::uint32_t value) { return extent.stripe_block < value; };
  const auto first = std::lower_bound(extents.begin(), extents.end(), block, before);
  auto last = first;
  while (last != extents.end() && last->stripe_block == block) ++last;
  return {static_cast<std::size_t>(first - extents.begin()), static_cast<std::size_t>(last - extents.begin())};
}

Task<Result<bool>> answer(bool value) { co_return value; }

bool has_piece(const segment::StripeInfo& stripe, const segment::Extent& extent) {
  if (extent.header_blocks != stripe.header_blocks || extent.shard_blocks != stripe.shard_blocks) return false;
  return std::any_of(stripe.pieces.begin(), stripe.pieces.end(), [&](const segment::Piece& piece) {
    return piece.begin == extent.begin && piece.length == extent.length;
  });
}

}  // namespace

Checker::Report Checker::report() const {
  std::lock_guard lock(mutex_);
  return report_;
}

void Checker::report_problem(std::string sentence) {
  log_error("check_problem", {{"what", sentence}});
  std::lock_guard lock(mutex_);
  ++report_.problems_total;
  if (report_.problems.size() < options_.problems_max) report_.problems.push_back(std::move(sentence));
}

void Checker::suspect(const segment::Extent& extent, Fault fault) {
  if (suspects_.size() >= options_.problems_max) {
    ++suspects_more_;
    return;
  }
  suspects_.emplace(Place{extent.segment, extent.stripe_block, extent.begin}, fault);
}

Task<Result<>> Checker::run() {
  {
    std::lock_guard lock(mutex_);
    report_ = {};
    report_.state = Report::State::running;
  }
  absent_segments_.clear();
  suspects_.clear();
  suspects_more_ = 0;
  Result<> checked = co_await check();
  std::lock_guard lock(mutex_);
  report_.state = checked ? Report::State::done : Report::State::failed;
  if (!checked) report_.error = checked.error().message();
  co_return checked;
}

Task<Result<>> Checker::check() {
  Result<std::vector<Group>> groups = co_await count();
  if (!groups) co_return groups.error();
  for (const Group& group : *groups) {
    auto extents = co_await collect(group);
    if (!extents) co_return extents.error();
    for (const segment::SegmentId id : group.segments) {
      Result<> checked = co_await check_segment(id, std::move((*extents)[id]));
      if (!checked) co_return checked;
    }
  }
  co_return co_await confirm();
}

// Counts the extents of each segment and divides the segments into groups that fit memory. Segments that nothing names are
// among them: their stripes are judged, too.
Task<Result<std::vector<Checker::Group>>> Checker::count() {
  std::map<segment::SegmentId, std::size_t> counts;
  for (const segment::SegmentRecord& record : segments_.segments()) counts[record.id] = 0;
  std::string cursor;
  while (true) {
    if (stopping_.load()) co_return Errc::shutting_down;
    auto page = co_await index_.walk(cursor, kRowsAPage);
    if (!page) co_return page.error();
    for (const segment::Extent& extent : page->extents) {
      const auto entry = counts.find(extent.segment);
      if (entry != counts.end()) {
        ++entry->second;
      } else if (!segments_.pin(extent.segment)) {
        absent_segments_.insert(extent.segment);
      }
    }
    {
      std::lock_guard lock(mutex_);
      report_.extents += page->extents.size();
    }
    if (!page->next) break;
    cursor = *page->next;
  }
  std::vector<Group> groups;
  for (const auto& [id, extents] : counts) {
    if (groups.empty() || groups.back().extents + extents > options_.extents_max) groups.emplace_back();
    groups.back().segments.insert(id);
    groups.back().extents += extents;
  }
  std::lock_guard lock(mutex_);
  report_.segments = counts.size();
  co_return groups;
}

Task<Result<std::map<segment::SegmentId, Checker::Extents>>> Checker::collect(const Group& group) {
  std::map<segment::SegmentId, Extents> collected;
  std::string cursor;
  while (true) {
    if (stopping_.load()) co_return Errc::shutting_down;
    auto page = co_await index_.walk(cursor, kRowsAPage);
    if (!page) co_return page.error();
    for (const segment::Extent& extent : page->extents) {
      if (group.segments.contains(extent.segment)) collected[extent.segment].push_back(extent);
    }
    if (!page->next) break;
    cursor = *page->next;
  }
  for (auto& [id, extents] : collected) std::sort(extents.begin(), extents.end(), in_order);
  co_return collected;
}

Task<Result<>> Checker::check_segment(segment::SegmentId id, Extents extents) {
  for (std::size_t i = 1; i < extents.size(); ++i) {
    const segment::Extent& before = extents[i - 1];
    if (before.stripe_block != extents[i].stripe_block) continue;
    if (std::uint64_t{before.begin} + before.length > extents[i].begin) suspect(extents[i], Fault::twice);
  }
  Result<> checked = co_await check_directory(id, extents);
  if (checked) checked = co_await check_codewords(id, extents);
  std::lock_guard lock(mutex_);
  if (checked) {
    ++report_.segments_checked;
    co_return success();
  }
  if (checked.error() == Errc::conflict) {
    ++report_.segments_open;
    co_return success();
  }
  // Freed meanwhile: fine, unless records still name it.
  if (checked.error() == Errc::not_found) {
    if (!extents.empty()) absent_segments_.insert(id);
    co_return success();
  }
  co_return checked;
}

Task<Result<>> Checker::check_directory(segment::SegmentId id, const Extents& extents) {
  std::vector<bool> found(extents.size(), false);
  std::uint32_t block = 0;
  bool readable = true;
  while (true) {
    if (stopping_.load()) co_return Errc::shutting_down;
    auto stripe = co_await segments_.next_stripe(id, block);
    if (!stripe && stripe.error() == Errc::io_error) {
      // More than m shards cannot be read: that says nothing of the records, and the codewords tell of it.
      readable = false;
      break;
    }
    if (!stripe) co_return stripe.error();
    if (!*stripe) break;
    const auto [first, last] = of_stripe(extents, (*stripe)->block);
    for (std::size_t i = first; i < last; ++i) found[i] = has_piece(**stripe, extents[i]);
    block = (*stripe)->next_block;
    std::lock_guard lock(mutex_);
    ++report_.stripes;
  }
  if (!readable) {
    report_problem(fmt::format("segment {}: more of its shards than the parity makes up for cannot be read", id));
    co_return success();
  }
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (!found[i]) suspect(extents[i], Fault::no_stripe);
  }
  co_return success();
}

Task<Result<>> Checker::check_codewords(segment::SegmentId id, const Extents& extents) {
  segment::ScrubRequest request;
  request.segment = id;
  request.pool = &pool_;
  request.repair = false;
  request.referenced = [&extents](segment::SegmentId, const segment::StripeInfo& stripe) {
    const auto [first, last] = of_stripe(extents, stripe.block);
    return answer(first < last);
  };
  while (true) {
    if (stopping_.load()) co_return Errc::shutting_down;
    auto step = co_await segments_.scrub(request);
    if (!step) co_return step.error();
    if (step->stripes_lost > 0 || step->stripes_unreadable > 0) {
      report_problem(fmt::format("segment {}: {} stripes of named bytes have too few good shards", id,
                                 step->stripes_lost + step->stripes_unreadable));
    }
    if (step->shards_damaged > 0) {
      report_problem(fmt::format("segment {}: {} damaged shards, which a scrub repairs", id, step->shards_damaged));
    }
    {
      std::lock_guard lock(mutex_);
      report_.bytes_read += step->bytes;
      report_.shards_damaged += step->shards_damaged;
      report_.shards_absent += step->shards_absent;
    }
    if (step->next_block == 0) co_return success();
    request.first_block = step->next_block;
    Result<> paced = co_await pacer_.spend(step->bytes);
    if (!paced) co_return paced;
  }
}

// One more walk: whatever the records do not say any more was a change under our eyes.
Task<Result<>> Checker::confirm() {
  if (absent_segments_.empty() && suspects_.empty()) co_return success();
  std::string cursor;
  while (true) {
    if (stopping_.load()) co_return Errc::shutting_down;
    auto page = co_await index_.walk(cursor, kRowsAPage);
    if (!page) co_return page.error();
    for (std::size_t i = 0; i < page->extents.size(); ++i) {
      const segment::Extent& extent = page->extents[i];
      if (absent_segments_.contains(extent.segment) && !segments_.pin(extent.segment)) {
        report_problem(fmt::format("{} names {}, but there is no such segment", page->holders[i], place_text(extent)));
      }
      const auto suspected = suspects_.find({extent.segment, extent.stripe_block, extent.begin});
      if (suspected == suspects_.end()) continue;
      if (suspected->second == Fault::no_stripe) {
        report_problem(fmt::format("{} names {}, but no stripe has such a piece", page->holders[i], place_text(extent)));
      } else {
        report_problem(fmt::format("{} names {}, which another record names, too", page->holders[i], place_text(extent)));
      }
    }
    if (!page->next) break;
    cursor = *page->next;
  }
  if (suspects_more_ > 0) report_problem(fmt::format("{} more extents are suspect", suspects_more_));
  co_return success();
}

}  // namespace storage::upkeep
